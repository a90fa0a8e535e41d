"""An SMTP server that keeps what goes over the wire, octet by octet, and offers SMTPUTF8 or not."""

import socket
from dataclasses import dataclass

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Sent:
    sender: str
    options: list[str]
    to: list[str]
    content: bytes


class Server(Controller):
    def __init__(self, *, smtputf8: bool) -> None:
        self.sent: list[Sent] = []
        self.smtputf8 = smtputf8
        super().__init__(self, hostname="127.0.0.1", port=0)

    def factory(self) -> SMTP:
        return SMTP(self, hostname="mail.example.org", enable_SMTPUTF8=self.smtputf8)

    def _trigger_server(self) -> None:
        """The original connects to the port that was asked for, which is 0."""
        socket.create_connection(("127.0.0.1", self.number), timeout=5).close()

    @property
    def number(self) -> int:
        """Of its port."""
        return int(self.server.sockets[0].getsockname()[1])

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.sent.append(Sent(envelope.mail_from, envelope.mail_options, envelope.rcpt_tos, envelope.content))
        return "250 OK"
