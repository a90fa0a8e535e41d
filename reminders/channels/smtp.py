"""E-mail by SMTP, one message after the other on one connection.

smtplib's own sendmail is not used: it does not say at which point it broke, and only from the first byte of the final
dot until the reply is it unknown whether the server has taken the message. For that reply a client has to wait ten
minutes (RFC 5321, 4.5.3.2.6): a server that scans a message for half a minute is slow, and not broken.
"""

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit

from django.conf import settings

from mail.message import Mail
from reminders.channels.base import DeliveryError, Lease, Message, TransportError, Withdrawn
from reminders.channels.deadline import moved, shut, total_deadline
from reminders.channels.mime import compose
from reminders.channels.replies import Fault, Reply, fault_of, wants_fewer_connections
from work import racing
from work.failpoints import reached

LEAVING_SECONDS = 2.0
"""How long the reply to QUIT is waited for. Nothing depends on it."""

TAKING_BACK_SECONDS = 10.0
"""How long the reply to RSET is waited for. Without one the connection is not used any more."""

CLOSING = 421  # the server is about to close the connection

DOT_AT_LINE_START = re.compile(rb"(?m)^\.")


def forever() -> float:
    return inf


@dataclass
class Stage:
    """Where a conversation is, for the deadline and for the error that may come."""

    doing: str
    until: float
    """On the clock of time.monotonic()."""
    lease_over_at: Callable[[], float] = field(default=forever)
    carrying: bool = False
    unknown: bool = False

    def begin(self, doing: str, *, seconds: float) -> None:
        self.doing, self.until = doing, monotonic() + seconds
        moved(self.until)

    def deadline(self) -> float:
        return min(self.until, self.lease_over_at())


class SmtpSession:
    def __init__(self, *, host: str, port: int, security: str, user: str, password: str) -> None:
        self._host, self._port, self._security = host, port, security
        self._user, self._password = user, password
        self._smtp = smtplib.SMTP(local_hostname=ehlo_name() or "[127.0.0.1]")
        self._stage = Stage("connecting", inf)

    def __enter__(self) -> Self:
        # Reading the machine's certificates takes as long as ten messages.
        context = ssl.create_default_context() if self._security else None
        try:
            with self._conversation("connecting", seconds=settings.EMAIL_CONNECT_SECONDS + 1) as stage:
                self._connect(stage, context)
        except BaseException:
            self._smtp.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None and self.is_open:
            with contextlib.suppress(TransportError), self._conversation("leaving", seconds=LEAVING_SECONDS):
                self._smtp.quit()
        self._smtp.close()

    @property
    def is_open(self) -> bool:
        return self._smtp.sock is not None

    def abort(self) -> None:
        shut(self._smtp.sock)

    def send(self, message: Message, *, lease: Lease) -> None:
        mail = compose(message)
        content = DOT_AT_LINE_START.sub(b"..", mail.as_bytes())  # now: after DATA the connection would be lost with it
        self._expect_smtputf8_if_needed(mail)
        command = settings.EMAIL_COMMAND_SECONDS
        with self._conversation("MAIL FROM", seconds=command, lease=lease) as stage:
            self._expect("MAIL FROM", self._smtp.mail(mail.sender.address, mail.smtp_options))
            stage.carrying = True
            reached("MAIL FROM answered")
            stage.begin("RCPT TO", seconds=command)
            self._expect("RCPT TO", self._smtp.rcpt(mail.to[0].address))
            self._confirm(lease)
            stage.begin("DATA", seconds=settings.EMAIL_DATA_SECONDS)
            self._expect("DATA", self._smtp.docmd("DATA"), wanted=354)
            reached("DATA answered")
            stage.begin("sending the text", seconds=command)
            self._smtp.send(content)
            reached("text sent")
            if monotonic() >= lease.hand_over_until:  # this process may have been frozen
                raise TransportError("too late", by_us=True)
            stage.begin("waiting for the reply to the message", seconds=settings.EMAIL_ANSWER_SECONDS)
            stage.unknown = True
            self._smtp.send(b".\r\n")
            reached("dot sent")
            reply = self._smtp.getreply()
            stage.unknown = not 200 <= reply[0] < 600  # what is no SMTP reply tells nothing
            self._expect("the message", reply)

    def _connect(self, stage: Stage, context: ssl.SSLContext | None) -> None:
        sock = racing.connect(self._host, self._port, within=settings.EMAIL_CONNECT_SECONDS)
        self._smtp.sock = sock
        # The final dot is a write of its own, which would else wait for the answer to the text: 40 ms a message.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        literal = address_literal(sock)
        notice_a_peer_that_is_gone(sock)
        stage.begin("waiting for the greeting", seconds=settings.EMAIL_COMMAND_SECONDS)
        sock.settimeout(None)  # the deadline counts
        if context is not None and self._security == "tls":
            self._shake_hands(context)
        self._smtp._host = self._host  # type: ignore[attr-defined]  # the name that the certificate must bear
        self._smtp.file = None
        if not ehlo_name():
            self._smtp.local_hostname = literal
        self._expect_of_the_server("the greeting", self._smtp.getreply())
        stage.begin("EHLO", seconds=settings.EMAIL_COMMAND_SECONDS)
        self._smtp.ehlo_or_helo_if_needed()
        if context is not None and self._security == "starttls":
            self._start_tls(context)
        if self._user:
            stage.begin("signing in", seconds=settings.EMAIL_COMMAND_SECONDS)
            self._smtp.login(self._user, self._password)

    def _expect_smtputf8_if_needed(self, mail: Mail) -> None:
        """An address outside ASCII before the @ is for servers that offer to take it (RFC 6531)."""
        if mail.smtp_options and not self._smtp.has_extn("smtputf8"):
            words = "the mail server does not offer SMTPUTF8, which the address %s needs"
            if mail.sender.is_international:
                raise TransportError(words % mail.sender.address)
            raise DeliveryError(words % mail.to[0].address, permanent=True)

    def _start_tls(self, context: ssl.SSLContext) -> None:
        """smtplib's own assigns the socket when hands have been shaken: until then nothing could break that off."""
        if not self._smtp.has_extn("starttls"):
            raise TransportError("the mail server does not offer STARTTLS")
        self._expect_of_the_server("STARTTLS", self._smtp.docmd("STARTTLS"))
        self._shake_hands(context)
        self._smtp.helo_resp = self._smtp.ehlo_resp = None
        self._smtp.esmtp_features.clear()
        self._smtp.does_esmtp = False
        self._smtp.ehlo()

    def _shake_hands(self, context: ssl.SSLContext) -> None:
        plain = cast(socket.socket, self._smtp.sock)
        encrypted = context.wrap_socket(plain, server_hostname=self._host, do_handshake_on_connect=False)
        self._smtp.sock, self._smtp.file = encrypted, None
        encrypted.do_handshake()

    def _confirm(self, lease: Lease) -> None:
        try:
            lease.confirm()
        except Withdrawn:
            self._take_back()
            raise

    def _expect_of_the_server(self, command: str, reply: tuple[int, bytes]) -> None:
        """A reply that does not depend on any message: a refusal is the transport's."""
        if not 200 <= reply[0] < 300:
            too_many = command == "the greeting" and 400 <= reply[0] < 500
            raise TransportError(words_of(command, reply), by_reply=True, too_many=too_many)

    def _expect(self, command: str, reply: tuple[int, bytes], *, wanted: int = 250) -> None:
        """Turn a refusal into an error. What was begun is taken back, so the connection serves the next message."""
        code = reply[0]
        if code == wanted or (wanted == 250 and 200 <= code < 300):
            return
        words = words_of(command, reply)
        carrying = command != "MAIL FROM"
        if not 200 <= code < 600:
            raise TransportError(words, carrying=carrying, unknown=command == "the message")
        refusal = Reply(command, code, reply[1].decode(errors="replace"))
        fault = fault_of(refusal)
        if code != CLOSING:
            self._take_back()  # one that hangs up has given its reply all the same
        if fault is not Fault.RECIPIENT:
            too_many = wants_fewer_connections(refusal)
            raise TransportError(words, carrying=carrying, by_reply=True, too_many=too_many)
        raise DeliveryError(words, permanent=refusal.is_permanent, from_server=True)

    def _take_back(self) -> None:
        self._stage.begin("RSET", seconds=TAKING_BACK_SECONDS)
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self._smtp.rset()

    @contextlib.contextmanager
    def _conversation(self, doing: str, *, seconds: float, lease: Lease | None = None) -> Iterator[Stage]:
        """Turn every way in which a connection breaks into a TransportError, at its deadline at the latest."""
        over_at = forever if lease is None else lambda: lease.over_at
        self._stage = stage = Stage(doing, monotonic() + seconds, over_at)
        with total_deadline(stage.deadline, lambda: self._smtp.sock) as expired:
            try:
                yield stage
            except (DeliveryError, Withdrawn):
                raise
            except TransportError:
                self._smtp.close()
                raise
            except Exception as error:
                is_defect = lease is not None and not stage.unknown
                self._smtp.close()
                if is_defect and not isinstance(error, OSError | smtplib.SMTPException):
                    raise  # of ours, with this message, before anything was handed over
                by_us = lease is not None and monotonic() >= lease.over_at
                is_silence = expired.is_set() and not isinstance(error, TimeoutError)  # which says what was waited for
                words = "the lease is over" if by_us else "no end within its time" if is_silence else str(error)
                text = f"mail server {self._host}:{self._port}, {stage.doing}: {words}"
                raise TransportError(text[:500], carrying=stage.carrying, unknown=stage.unknown, by_us=by_us) from error


def ehlo_name() -> str:
    """What we call ourselves: EMAIL_EHLO_NAME; else the host of PUBLIC_URL, if it can be a name on the internet.

    The machine's own name is asked of nobody: in a container it is made of digits, and the resolver may be silent.
    """
    host = str(settings.EMAIL_EHLO_NAME or urlsplit(settings.PUBLIC_URL).hostname or "")
    is_name = "." in host.strip(".") and ":" not in host and not host.rpartition(".")[2].isdigit()
    return host if settings.EMAIL_EHLO_NAME or is_name else ""


def notice_a_peer_that_is_gone(sock: socket.socket) -> None:
    """A reply may be waited for for ten minutes, and one that is powered off gives none: the kernel asks each 30 s."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def address_literal(sock: socket.socket) -> str:
    """Our address in the form of RFC 5321, 4.1.3, for who has no name."""
    address = sock.getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def words_of(command: str, reply: tuple[int, bytes]) -> str:
    """A reply on one line, for people."""
    code, text = reply
    return " ".join(f"{command} answered {code} {text.decode(errors='replace')}".split())[:500]
