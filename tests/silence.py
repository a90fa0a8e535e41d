"""An address that says nothing to whoever connects, not even that it refuses: as a host that is powered off."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

from tests.wire import hang_up


@contextmanager
def silent(port: int = 0, host: str = "127.0.0.1") -> Iterator[int]:
    """The port. Its queue of connections that nobody accepts is full, so the kernel drops what asks for another."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(address)
        yield address[1]


class Slow:
    """An address that takes connections at once, and carries what is sent to `to` only when it is told to go on."""

    def __init__(self, to: tuple[str, int], *, listen_at: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.to, self.listen_at = to, listen_at
        self.go_on = Event()
        self.taken = 0

    def __enter__(self) -> Self:
        self.stack = ExitStack()
        self.listener = self.stack.enter_context(socket.create_server(self.listen_at))
        self.port = int(self.listener.getsockname()[1])
        Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.go_on.set()
        hang_up(self.listener)
        self.stack.close()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.taken += 1
                self.go_on.wait(30)
                server = socket.create_connection(self.to)
                for here, there in ((client, server), (server, client)):
                    self.stack.callback(here.close)
                    Thread(target=carry, args=[here, there], daemon=True).start()


def carry(here: socket.socket, there: socket.socket) -> None:
    with suppress(OSError):
        while data := here.recv(65536):
            there.sendall(data)
    hang_up(there)
