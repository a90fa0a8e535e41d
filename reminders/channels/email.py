"""E-mail: by SMTP when there is a mail server, into the outbox directory when there is none."""

from contextlib import AbstractContextManager

from django.conf import settings

from reminders.channels.base import Session
from reminders.channels.outbox import OutboxSession
from reminders.channels.smtp import SmtpSession


class EmailChannel:
    def session(self) -> AbstractContextManager[Session]:
        if settings.MAIL_SERVER is None:
            return OutboxSession(settings.OUTBOX_DIR)
        return SmtpSession(**settings.MAIL_SERVER)
