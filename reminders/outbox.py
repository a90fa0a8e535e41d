"""The outbox in the browser: what was addressed to the person who looks; to staff who may look at deliveries, every
reminder.

Mail about accounts carries links that set passwords, so nobody but a superuser sees it.
"""

from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from edges.permissions import may
from reminders.channels.outbox import ACCOUNT_PREFIX, name_of
from reminders.models import Delivery

SHOWN = 100


@dataclass(frozen=True)
class Mail:
    """A message as the pages show it. Templates cannot read headers such as Message-ID."""

    name: str
    date: str
    sender: str
    to: str
    subject: str
    message_id: str
    text: str


@never_cache
@login_required
@require_safe
def outbox(request: HttpRequest) -> HttpResponse:
    """The latest messages, newest first."""
    mails = [mail for name in names_for(request.user) if (mail := read(name)) is not None]  # type: ignore[arg-type]
    return render(request, "reminders/outbox.html", {"mails": mails, "has_server": settings.MAIL_SERVER is not None})


@never_cache
@login_required
@require_safe
def outbox_message(request: HttpRequest, name: str) -> HttpResponse:
    """One message; with `?raw` the file itself."""
    mail = read(name) if may_see(request.user, name) else None  # type: ignore[arg-type]
    if mail is None:
        raise Http404
    if "raw" in request.GET:
        response = HttpResponse(path_of(name).read_bytes(), content_type="message/rfc822")
        response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
        return response
    return render(request, "reminders/outbox_message.html", {"mail": mail})


def names_for(user: User) -> list[str]:
    """The file names that this person may see, newest first."""
    if may_see_all(user):
        files = sorted(settings.OUTBOX_DIR.glob("*.eml"), key=lambda path: path.stat().st_mtime, reverse=True)
        return [path.name for path in files if user.is_superuser or not is_about_accounts(path.name)][:SHOWN]
    sent = Delivery.objects.owned_by(user).filter(status=Delivery.Status.SENT)[:SHOWN]
    return [name_of(message_id) for message_id in sent.values_list("message_id", flat=True)]


def may_see_all(user: User) -> bool:
    """Who may look at all deliveries in the admin."""
    return may(user, Delivery, ["view", "change"])


def may_see(user: User, name: str) -> bool:
    if may_see_all(user):
        return user.is_superuser or not is_about_accounts(name)
    return (
        name.endswith(".eml")
        and Delivery.objects.owned_by(user).filter(message_id__startswith=f"<{name.removesuffix('.eml')}@").exists()
    )


def is_about_accounts(name: str) -> bool:
    """In any letter case, since to some file systems that is the same file."""
    return name.casefold().startswith(ACCOUNT_PREFIX)


def path_of(name: str) -> Path:
    """Where the message lies. Whatever else the name holds, it leads to a file in the outbox."""
    return Path(settings.OUTBOX_DIR) / f"{Path(name).stem}.eml"


def read(name: str) -> Mail | None:
    """The message; None when it is not there, because a mail server took it or it was cleared away."""
    try:
        parsed = message_from_bytes(path_of(name).read_bytes(), policy=policy.default)
    except OSError:
        return None
    body = parsed.get_body(("plain",))
    headers = {key.lower(): header(key, value) for key, value in parsed.raw_items()}
    return Mail(
        name=name, date=headers.get("date", ""), sender=headers.get("from", ""), to=headers.get("to", ""),
        subject=headers.get("subject", ""), message_id=headers.get("message-id", ""),
        text=body.get_content() if body else "",
    )  # fmt: skip


def header(name: str, value: str) -> str:
    """As people read it. An address may be UTF-8 (RFC 6532), of which the parser of octets makes nothing."""
    text = value.encode(errors="surrogateescape").decode(errors="replace")
    return str(policy.default.header_fetch_parse(name, text))
