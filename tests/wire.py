"""A wire to PostgreSQL that breaks in the middle of a statement, so that its answer is lost."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from django.db import connection


class Wire:
    """Carries what goes to and fro, until the statements have passed at whose last it is to break; then again."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._statements: list[bytes] = []
        self._requests = 0
        self._is_carried_out = True
        self._stays_broken = False
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._accepting = self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        hang_up(self._listener)
        self._accepting.join()
        hang_up(*self._sockets)
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._sockets):
            each.close()

    @property
    def has_broken(self) -> bool:
        return not self._statements and not self._requests

    def break_at(self, *statements: str, is_carried_out: bool = True, stays_broken: bool = False) -> None:
        """Break at the last of these, after the others in this order; when PostgreSQL has carried it out, or before.

        A wire that stays broken takes no other connection until it is mended.
        """
        self._is_carried_out = is_carried_out
        self._stays_broken = stays_broken
        self._statements = [statement.encode() for statement in statements]

    def break_after(self, requests: int, *, is_carried_out: bool) -> None:
        """Break at the last of so many requests, whatever they are."""
        self._is_carried_out = is_carried_out
        self._requests = requests

    def mend(self) -> None:
        """Take connections again, and do not break any more."""
        self._stays_broken = False
        self._statements, self._requests = [], 0

    def _start(self, target: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments)
        thread.start()
        self._threads.append(thread)
        return thread

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.has_broken and self._stays_broken:
                    client.close()
                    continue
                server = socket.create_connection(self._to)
                self._sockets += [client, server]
                is_cut = threading.Event()
                self._start(self._ask, client, server, is_cut)
                self._start(self._answer, client, server, is_cut)

    def _ask(self, client: socket.socket, server: socket.socket, is_cut: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._is_to_break(data):
                    is_cut.set()
                    if not self._is_carried_out:
                        break
                server.sendall(data)
        hang_up(client, server)

    def _answer(self, client: socket.socket, server: socket.socket, is_cut: threading.Event) -> None:
        with suppress(OSError):
            while (data := server.recv(65536)) and not is_cut.is_set():
                client.sendall(data)
        hang_up(client, server)

    def _is_to_break(self, data: bytes) -> bool:
        if self._requests:
            self._requests -= 1
            return not self._requests
        seen = bool(self._statements)
        while self._statements and self._statements[0] in data:
            data = data.partition(self._statements.pop(0))[2]
        return seen and not self._statements


def hang_up(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire_to_the_database() -> Iterator[Wire]:
    """Django's connection in this thread goes over it meanwhile."""
    own = connection.settings_dict
    before = {name: own[name] for name in ("HOST", "PORT", "OPTIONS")}
    in_the_clear = {**own["OPTIONS"], "sslmode": "disable", "gssencmode": "disable"}
    with Wire(own["HOST"], int(own["PORT"] or 5432)) as wire:
        try:
            connection.close()
            own.update(HOST="127.0.0.1", PORT=str(wire.port), OPTIONS=in_the_clear)
            yield wire
            assert wire.has_broken, "the statements did not come"
        finally:
            connection.close()
            own.update(before)
