"""A reminder as an e-mail, in its recipient's language."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.translation import gettext

from languages.choosing import speaking
from mail.addresses import AddressError, Mailbox, read_address, read_mailbox
from mail.message import Mail
from reminders.channels.base import DeliveryError, DueSoon, InfectedFile, Message


def compose(message: Message) -> Mail:
    """The e-mail for a message, in its language. An address that mail cannot go to is a permanent DeliveryError."""
    with speaking(message.language):
        return compose_here(message)


def compose_here(message: Message) -> Mail:
    """The same in the language of this thread."""
    subject, template, context = wording(message)
    text, page = (render_to_string(f"reminders/{template}.{kind}", context) for kind in ("txt", "html"))
    others = {
        "List-Unsubscribe": f"<{message.unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
    }
    return Mail(
        sender=sender(), to=(recipient(message.to),), subject=subject, date=timezone.now(),
        message_id=message.message_id, text=text, page=page, others=others,
    )  # fmt: skip


def wording(message: Message) -> tuple[str, str, dict[str, Any]]:
    """Subject, template, and what the template is to know."""
    match message:
        case DueSoon():
            due = describe_due(message.due_at, zone=message.zone, all_day=message.all_day)
            subject = gettext("Due %(due)s: %(title)s") % {"due": due, "title": message.title}
            return subject, "due_soon", {"message": message, "due": due}
        case InfectedFile():
            named = {"file": message.file, "title": message.title}
            subject = gettext("Quarantined: %(file)s, a file of %(title)s") % named
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


def recipient(address: str) -> Mailbox:
    """The address as headers and SMTP take it: an international domain in ASCII."""
    try:
        return read_address(address)
    except AddressError as error:
        raise DeliveryError(str(error), permanent=True) from error


def sender() -> Mailbox:
    return sender_of(settings.EMAIL_FROM)


sender_of = lru_cache(maxsize=1)(read_mailbox)
"""It is read for each message, and hardly ever changes."""
