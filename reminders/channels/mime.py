"""A reminder as an e-mail: RFC 5322, text and HTML, 7-bit clean so that any server takes it."""

from datetime import datetime, timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.encoding import punycode
from django.utils.translation import gettext

from languages.choosing import speaking
from reminders.channels.base import DeliveryError, DueSoon, InfectedFile, Message


class WholeLines(EmailPolicy):
    """SMTP's policy, but long words without a space stay whole: a URL that is folded by RFC 2047 is no link."""

    WHOLE = frozenset({"list-unsubscribe", "message-id"})

    def fold(self, name: str, value: Any) -> str:
        return f"{name}: {value}{self.linesep}" if name.lower() in self.WHOLE else super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode("ascii")


POLICY = WholeLines(linesep="\r\n")


def compose(message: Message) -> EmailMessage:
    """The e-mail for a message, in its language. An address that cannot be written in a header is a permanent
    DeliveryError."""
    with speaking(message.language):
        return compose_here(message)


def compose_here(message: Message) -> EmailMessage:
    """The same in the language of this thread."""
    subject, template, context = wording(message)
    mail = EmailMessage(policy=POLICY)
    mail["Subject"] = subject
    mail["From"] = sender()
    mail["To"] = recipient(message.to)
    mail["Date"] = format_datetime(timezone.now())
    mail["Message-ID"] = message.message_id
    mail["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail["Auto-Submitted"] = "auto-generated"
    text, page = (render_to_string(f"reminders/{template}.{kind}", context) for kind in ("txt", "html"))
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(page, subtype="html", cte="quoted-printable")
    return mail


def wording(message: Message) -> tuple[str, str, dict[str, Any]]:
    """Subject, template, and what the template is to know."""
    match message:
        case DueSoon():
            due = describe_due(message.due_at, zone=message.zone, all_day=message.all_day)
            subject = gettext("Due %(due)s: %(title)s") % {"due": due, "title": one_line(message.title)}
            return subject, "due_soon", {"message": message, "due": due}
        case InfectedFile():
            subject = gettext("Quarantined: %(file)s, a file of %(title)s") % {
                "file": one_line(message.file), "title": one_line(message.title),
            }  # fmt: skip
            return subject, "infected_file", {"message": message}
    raise TypeError(f"no wording for {type(message).__name__}")


def describe_due(due_at: datetime, *, zone: str, all_day: bool) -> str:
    """The due date as a person says it, in the zone it was meant in: Wed 25 Nov 2026, 17:30 (Europe/Berlin)."""
    local = due_at.astimezone(ZoneInfo(zone))
    if all_day:
        local = (due_at - timedelta(microseconds=1)).astimezone(ZoneInfo(zone))
        return format_date(local, gettext("D j M Y"))
    moment = format_date(local, gettext("D j M Y, H:i"))
    return f"{moment} ({zone})"


def recipient(address: str) -> Address:
    """The address as a header and SMTP take it: ASCII, an international domain in its xn-- form."""
    local, _, domain = address.rpartition("@")
    try:
        return Address(addr_spec=f"{local}@{punycode(domain)}")
    except (ValueError, IndexError, MessageError) as error:
        raise DeliveryError(f"{address!r} is not an e-mail address that can be written to", permanent=True) from error


def sender() -> Address:
    name, address = parseaddr(settings.EMAIL_FROM)
    return Address(display_name=name, addr_spec=address)


def one_line(text: str) -> str:
    """Without line breaks or control characters, which raw SQL could bring in and no header may hold."""
    return "".join(character if character.isprintable() else " " for character in text)
