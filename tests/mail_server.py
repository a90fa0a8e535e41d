"""A real SMTP server for tests, that keeps what it accepts and misbehaves when told to."""

import asyncio
import socket
import threading
from collections import Counter
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class MailServer:
    """`accepted` holds the messages that were answered with 250. Answers are given per step:

    server.answers["RCPT"] = "550 5.1.1 no such user"
    server.hang_up_after_data = True        the message is taken, and the connection closed without an answer
    server.hang_up_after_refusing = True    a recipient that is refused is the last of its connection
    server.hang_up_on = {"a@example.org"}   the connection is closed without an answer when this recipient is named
    server.messages_per_connection = 3      a fourth is answered with 421
    server.most_connections = 2             a third is greeted with 421
    server.hold("DATA", "a@example.org")    this step is not answered for this recipient, until `release`
    """

    def __init__(self) -> None:
        self.accepted: list[EmailMessage] = []
        self.taken: list[EmailMessage] = []
        self.answers: dict[str, str] = {}
        self.hang_up_after_data = False
        self.hang_up_after_refusing = False
        self.hang_up_on: set[str] = set()
        self.messages_per_connection: int | None = None
        self.most_connections: int | None = None
        self.open = self.turned_away = 0
        self._held: set[tuple[str, str]] = set()
        self.waiting: list[tuple[str, str]] = []
        """The steps that are held just now."""
        self.greeted = self.left = 0
        self.names: list[str] = []
        """What the clients called themselves."""
        self._begun: Counter[int] = Counter()
        self._sessions: list[Session] = []
        self.before_data: Any = lambda: None
        """Called when a client has sent MAIL FROM: a moment between the last check and the message."""
        self._controller = _Controller(self, hostname="127.0.0.1", port=0)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._controller.stop()

    def hold(self, step: str, address: str) -> None:
        self._held.add((step, address))

    def release(self) -> None:
        """Answer what is held, and hold nothing more."""
        self._held.clear()

    async def _hold(self, step: str, address: str) -> None:
        if (step, address) in self._held:
            self.waiting.append((step, address))
            while (step, address) in self._held:
                await asyncio.sleep(0.01)
            self.waiting.remove((step, address))

    @property
    def port(self) -> int:
        return int(self._controller.server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.port, "security": "", "user": "", "password": ""}

    @property
    def connections(self) -> int:
        """How many connections a message has been begun on."""
        return len(self._sessions)

    # aiosmtpd's hooks

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.greeted += 1
        self.names.append(hostname)
        session.host_name = hostname
        return responses

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.left += 1
        return "221 Bye"

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        self.before_data()
        if session not in self._sessions:
            self._sessions.append(session)
        envelope.mail_from = address
        self._begun[id(server)] += 1
        if self.messages_per_connection is not None and self._begun[id(server)] > self.messages_per_connection:
            return "421 4.3.2 enough for now"
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        await self._hold("RCPT", address)
        answer = self.answers.get(address) or self.answers.get("RCPT", "250 OK")
        if address in self.hang_up_on:
            server.transport.close()
        if self.hang_up_after_refusing and not answer.startswith("250"):
            await server.push(answer)
            server.transport.close()
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.taken.append(mail)
        if self.hang_up_after_data:
            server.transport.close()
            return "250 nobody hears this"
        for address in envelope.rcpt_tos:
            await self._hold("DATA", address)
        answer = self.answers.get("DATA", "250 OK")
        if answer.startswith("250"):
            self.accepted.append(mail)
        return answer


class _Smtp(SMTP):
    """Counts its connections, and turns away those that are too many."""

    async def _handle_client(self) -> None:
        server: MailServer = self.event_handler
        if server.most_connections is not None and server.open >= server.most_connections:
            server.turned_away += 1
            await self.push("421 4.7.0 too many connections")
            self.transport.close()
            return
        server.open += 1
        try:
            await super()._handle_client()
        finally:
            server.open -= 1


class _Controller(Controller):
    def __init__(self, handler: MailServer, **kwargs: Any) -> None:
        super().__init__(handler, **kwargs)

    def factory(self) -> SMTP:
        return _Smtp(self.handler, hostname="mail.example.org")

    def _trigger_server(self) -> None:
        """The original connects once to see that the server is up, on the port that was asked for: which is 0."""
        socket.create_connection(("127.0.0.1", self.handler.port), timeout=5).close()


class BlackHole:
    """A port that accepts connections and never says a word, or says one byte now and then."""

    def __init__(self, *, dribble: bool = False) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._dribble = dribble
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._listener.close()
        self._thread.join()

    @property
    def settings(self) -> dict[str, Any]:
        port = self._listener.getsockname()[1]
        return {"host": "127.0.0.1", "port": port, "security": "", "user": "", "password": ""}

    def _serve(self) -> None:
        self._listener.setblocking(False)
        connections: list[socket.socket] = []
        while not self._over.wait(0.05):
            with suppress(OSError):
                connections.append(self._listener.accept()[0])
            for connection in connections if self._dribble else ():
                with suppress(OSError):
                    connection.send(b"2")
        for connection in connections:
            connection.close()
