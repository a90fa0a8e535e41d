"""E-mail by SMTP, one message after the other on one connection.

smtplib's own sendmail is not used: it does not say at which point it broke, and only from the first byte of the final
dot (RFC 5321, 4.5.3.2.6) until the reply is it unknown whether the server has taken the message.
"""

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Self, cast

from django.conf import settings

from mail.message import Mail
from reminders.channels.base import DeliveryError, Message, TransportError
from reminders.channels.deadline import total_deadline
from reminders.channels.mime import compose
from work.failpoints import reached

CONNECT_SHARE = 0.2
"""What part of a lease connecting may take."""

DOT_AT_LINE_START = re.compile(rb"(?m)^\.")
CLOSING = 421  # the server is about to close the connection: says nothing about the message


@dataclass
class Stage:
    """Where a conversation is, for the error that may come."""

    doing: str
    carrying: bool = False
    unknown: bool = False


class SmtpSession:
    def __init__(self, *, host: str, port: int, security: str, user: str, password: str) -> None:
        self._host, self._port, self._security = host, port, security
        self._user, self._password = user, password
        self._smtp = smtplib.SMTP_SSL() if security == "tls" else smtplib.SMTP()

    def __enter__(self) -> Self:
        try:
            with self._conversation("connecting", until=within(CONNECT_SHARE)):
                self._connect()
        except BaseException:
            self._smtp.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            with contextlib.suppress(TransportError), self._conversation("leaving", until=within(CONNECT_SHARE)):
                self._smtp.quit()
        self._smtp.close()

    @property
    def is_open(self) -> bool:
        return getattr(self._smtp, "sock", None) is not None

    def send(self, message: Message, *, give_up_at: float) -> None:
        mail = compose(message)
        content = DOT_AT_LINE_START.sub(b"..", mail.as_bytes())  # now: after DATA the connection would be lost with it
        self._expect_smtputf8_if_needed(mail)
        with self._conversation("sending", until=give_up_at) as stage:
            self._expect_of_the_server("MAIL FROM", self._smtp.mail(mail.sender.address, mail.smtp_options))
            stage.carrying = True
            reached("MAIL FROM answered")
            self._expect("RCPT TO", self._smtp.rcpt(mail.to[0].address))
            self._expect("DATA", self._smtp.docmd("DATA"), wanted=354)
            reached("DATA answered")
            self._smtp.send(content)
            reached("text sent")
            if monotonic() >= give_up_at:  # this process may have been frozen
                raise TimeoutError("too late")
            stage.doing, stage.unknown = "waiting for the answer to the message", True
            self._smtp.send(b".\r\n")
            reached("dot sent")
            reply = self._smtp.getreply()
            stage.unknown = not 200 <= reply[0] < 600  # what is no SMTP answer tells nothing
            self._expect("the message", reply)

    def _connect(self) -> None:
        # Reading the machine's certificates takes as long as ten messages.
        context = ssl.create_default_context() if self._security else None
        timeout = CONNECT_SHARE * settings.DELIVERY_LEASE_SECONDS
        if isinstance(self._smtp, smtplib.SMTP_SSL):
            self._smtp = smtplib.SMTP_SSL(timeout=timeout, context=context)
        self._smtp.timeout = timeout
        self._smtp._host = self._host  # type: ignore[attr-defined]  # the name that the certificate must bear
        self._expect_of_the_server("the greeting", self._smtp.connect(self._host, self._port))
        # The final dot is a write of its own, which would else wait for the answer to the text: 40 ms a message.
        cast(socket.socket, self._smtp.sock).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._smtp.ehlo_or_helo_if_needed()
        if self._security == "starttls":
            self._smtp.starttls(context=context)
            self._smtp.ehlo()
        if self._user:
            self._smtp.login(self._user, self._password)

    def _expect_smtputf8_if_needed(self, mail: Mail) -> None:
        """An address outside ASCII before the @ is for servers that offer to take it (RFC 6531)."""
        if mail.smtp_options and not self._smtp.has_extn("smtputf8"):
            words = "the mail server does not offer SMTPUTF8, which the address %s needs"
            if mail.sender.is_international:
                raise TransportError(words % mail.sender.address)
            raise DeliveryError(words % mail.to[0].address, permanent=True)

    def _expect_of_the_server(self, command: str, reply: tuple[int, bytes]) -> None:
        """An answer that does not depend on the message: a refusal is the way's, and no delivery pays for it."""
        if not 200 <= reply[0] < 300:
            raise TransportError(words_of(command, reply))

    def _expect(self, command: str, reply: tuple[int, bytes], *, wanted: int = 250) -> None:
        """Turn a refusal into an error. What was begun is taken back, so the connection serves the next message."""
        code = reply[0]
        if code == wanted or (wanted == 250 and 200 <= code < 300):
            return
        if code == CLOSING or not 200 <= code < 600:
            unknown = not 200 <= code < 600 and command == "the message"
            raise TransportError(words_of(command, reply), carrying=True, unknown=unknown)
        with contextlib.suppress(OSError, smtplib.SMTPException):  # one that hangs up has given its answer all the same
            self._smtp.rset()
        raise DeliveryError(words_of(command, reply), permanent=code >= 500)

    @contextlib.contextmanager
    def _conversation(self, doing: str, *, until: float) -> Iterator[Stage]:
        """Turn every way in which a connection breaks into a TransportError, at that monotonic time at the latest."""
        seconds = max(0.0, until - monotonic())
        stage = Stage(doing)
        with total_deadline(seconds, lambda: getattr(self._smtp, "sock", None)) as expired:
            try:
                yield stage
            except (DeliveryError, TransportError):
                raise
            except Exception as error:
                if not (stage.unknown or doing == "connecting" or isinstance(error, OSError | smtplib.SMTPException)):
                    raise  # a defect of ours with this message, before anything was handed over
                words = f"no end within {seconds:g} s" if expired.is_set() else str(error)
                text = f"mail server {self._host}:{self._port}, {stage.doing}: {words}"
                raise TransportError(text[:500], carrying=stage.carrying, unknown=stage.unknown) from error


def words_of(command: str, reply: tuple[int, bytes]) -> str:
    """An answer on one line, for people."""
    code, text = reply
    return " ".join(f"{command} answered {code} {text.decode(errors='replace')}".split())[:500]


def within(share: float) -> float:
    """The monotonic time at which this share of a lease will be over."""
    return monotonic() + share * float(settings.DELIVERY_LEASE_SECONDS)
