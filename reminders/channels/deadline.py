"""A total deadline on a conversation: a socket's timeout is per read, so a peer that dribbles holds it for ever."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from threading import Event, Timer


@contextlib.contextmanager
def total_deadline(seconds: float, current_socket: Callable[[], socket.socket | None]) -> Iterator[Event]:
    """Shut the socket when the block has run for so long; the event it yields is then set."""
    expired = Event()

    def shut() -> None:
        expired.set()
        sock = current_socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                # The plain socket's: an SSL socket's own would let the other thread go on without encryption.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()
