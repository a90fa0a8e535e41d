"""Django's own mails, such as password resets, written as all others are.

What Django makes of a subject or a name depends on Python's version, and of an address outside ASCII it makes another.
"""

import smtplib
from typing import cast
from uuid import uuid4

from django.core.mail import EmailMessage
from django.core.mail.backends import smtp
from django.utils import timezone

from mail.addresses import Mailbox, read_mailbox
from mail.message import Mail

PAGE = "text/html"


class EmailBackend(smtp.EmailBackend):
    """Django's SMTP backend, but for what goes over the wire."""

    def _send(self, email_message: EmailMessage) -> bool:
        if not email_message.recipients():
            return False
        mail = of_django(email_message)
        connection = cast(smtplib.SMTP, self.connection)  # open, since send_messages calls this
        envelope = [mailbox.address for mailbox in read_all(email_message.recipients())]
        try:
            connection.sendmail(mail.sender.address, envelope, mail.as_bytes(), mail_options=mail.smtp_options)
        except smtplib.SMTPException:
            if not self.fail_silently:
                raise
            return False
        return True


def of_django(email: EmailMessage) -> Mail:
    """The same message. ValueError if it is more than a text with a page in HTML."""
    alternatives = list(getattr(email, "alternatives", []))
    if email.attachments or email.content_subtype != "plain" or [kind for _, kind in alternatives] not in ([], [PAGE]):
        raise ValueError("a mail is a text, perhaps with a page in HTML, and has no attachments")
    sender = read_mailbox(email.from_email)
    return Mail(
        sender=sender, to=read_all(email.to), cc=read_all(email.cc), reply_to=read_all(email.reply_to),
        subject=str(email.subject), date=timezone.now(), message_id=f"<{uuid4()}@{sender.domain}>",
        text=str(email.body), page=str(alternatives[0][0]) if alternatives else "",
        others={name: str(value) for name, value in email.extra_headers.items()},
    )  # fmt: skip


def read_all(addresses: list[str]) -> tuple[Mailbox, ...]:
    return tuple(read_mailbox(str(address)) for address in addresses if address)
