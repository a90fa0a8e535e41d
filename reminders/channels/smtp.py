"""E-mail by SMTP, one message after the other on one connection.

smtplib's own sendmail is not used: it does not say at which point it broke, and only from the first byte of the final
dot (RFC 5321, 4.5.3.2.6) until the reply is it unknown whether the server has taken the message.
"""

import contextlib
import re
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from django.conf import settings

from reminders.channels.base import DeliveryError, Message, TransportError
from reminders.channels.deadline import total_deadline
from reminders.channels.mime import compose, sender

CONNECT_SHARE = 0.2
SEND_SHARE = 0.45
"""What part of a lease each may take: together well under the whole, so that a live run never loses its lease."""

DOT_AT_LINE_START = re.compile(rb"(?m)^\.")
CLOSING = 421  # the server is about to close the connection: says nothing about the message


@dataclass
class Stage:
    """Where a conversation is, for the error that may come."""

    doing: str
    unknown: bool = False


class SmtpSession:
    def __init__(self, *, host: str, port: int, security: str, user: str, password: str) -> None:
        self._host, self._port, self._security = host, port, security
        self._user, self._password = user, password
        self._smtp = smtplib.SMTP_SSL() if security == "tls" else smtplib.SMTP()

    def __enter__(self) -> Self:
        try:
            with self._conversation("connecting", share=CONNECT_SHARE):
                self._connect()
        except BaseException:
            self._smtp.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            with contextlib.suppress(TransportError), self._conversation("leaving", share=CONNECT_SHARE):
                self._smtp.quit()
        self._smtp.close()

    def send(self, message: Message) -> None:
        mail = compose(message)
        to = mail["To"].addresses[0].addr_spec
        with self._conversation("sending", share=SEND_SHARE) as stage:
            self._expect("MAIL FROM", self._smtp.mail(sender().addr_spec))
            self._expect("RCPT TO", self._smtp.rcpt(to))
            self._expect("DATA", self._smtp.docmd("DATA"), wanted=354)
            self._smtp.send(DOT_AT_LINE_START.sub(b"..", mail.as_bytes()))
            stage.doing, stage.unknown = "waiting for the answer to the message", True
            self._smtp.send(b".\r\n")
            reply = self._smtp.getreply()
            stage.doing, stage.unknown = "after the answer", False
            self._expect("the message", reply)

    def _connect(self) -> None:
        context = ssl.create_default_context()
        timeout = CONNECT_SHARE * settings.DELIVERY_LEASE_SECONDS
        if isinstance(self._smtp, smtplib.SMTP_SSL):
            self._smtp = smtplib.SMTP_SSL(timeout=timeout, context=context)
        self._smtp.timeout = timeout
        self._smtp._host = self._host  # type: ignore[attr-defined]  # the name that the certificate must bear
        self._expect("the greeting", self._smtp.connect(self._host, self._port), wanted=220)
        self._smtp.ehlo_or_helo_if_needed()
        if self._security == "starttls":
            self._smtp.starttls(context=context)
            self._smtp.ehlo()
        if self._user:
            self._smtp.login(self._user, self._password)

    def _expect(self, command: str, reply: tuple[int, bytes], *, wanted: int = 250) -> None:
        """Turn a refusal into an error. What was begun is taken back, so the connection serves the next message."""
        code, text = reply
        if code == wanted or (wanted == 250 and 200 <= code < 300):
            return
        words = " ".join(f"{command} answered {code} {text.decode(errors='replace')}".split())[:500]
        if code == CLOSING or code < 0:
            raise TransportError(words)
        self._smtp.rset()
        raise DeliveryError(words, permanent=code >= 500)

    @contextlib.contextmanager
    def _conversation(self, doing: str, *, share: float) -> Iterator[Stage]:
        """Turn every way in which a connection breaks into a TransportError, after `share` of a lease at the latest."""
        seconds = share * settings.DELIVERY_LEASE_SECONDS
        stage = Stage(doing)
        with total_deadline(seconds, lambda: getattr(self._smtp, "sock", None)) as expired:
            try:
                yield stage
            except (OSError, smtplib.SMTPException) as error:
                words = f"no end within {seconds:g} s" if expired.is_set() else str(error)
                text = f"mail server {self._host}:{self._port}, {stage.doing}: {words}"
                raise TransportError(text[:500], unknown=stage.unknown) from error
