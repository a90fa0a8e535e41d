"""A total deadline on a conversation: a socket's timeout is per read, so a peer that dribbles would never meet it."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from math import inf
from threading import Condition, Event, Thread
from time import monotonic

CurrentSocket = Callable[[], socket.socket | None]
Deadline = Callable[[], float]
"""The moment, on the clock of time.monotonic(), until which the conversation may go on as it is. It may move."""


@contextlib.contextmanager
def total_deadline(until: Deadline, current_socket: CurrentSocket) -> Iterator[Event]:
    """Shut the socket when the deadline has passed; the event it yields is then set.

    Call `moved` when the deadline has come nearer.
    """
    expired = Event()
    _watch.begin(expired, until, current_socket)
    try:
        yield expired
    finally:
        _watch.end(expired)


def moved(until: float) -> None:
    """Some deadline is now as near as that."""
    _watch.look_at(until)


LOOK_AGAIN_SECONDS = 0.01


class Watch:
    """One thread for all conversations of a process.

    It sleeps until the earliest deadline that it has seen, and looks then what has become of it. A thread for each
    conversation took a fifth of the time that a message takes.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._open: dict[Event, tuple[Deadline, CurrentSocket]] = {}
        self._wakes_at = inf
        self._thread: Thread | None = None

    def begin(self, expired: Event, until: Deadline, current_socket: CurrentSocket) -> None:
        with self._changed:
            self._open[expired] = until, current_socket
            if self._thread is None or not self._thread.is_alive():  # a forked process has none
                self._thread = Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif until() < self._wakes_at:
                self._changed.notify()

    def end(self, expired: Event) -> None:
        with self._changed:
            self._open.pop(expired, None)

    def look_at(self, until: float) -> None:
        with self._changed:
            if until < self._wakes_at:
                self._changed.notify()

    def _expire(self, expired: Event) -> None:
        """Shut its socket. One that has none yet is looked at again, for it may get one."""
        _, current_socket = self._open[expired]
        expired.set()
        sock = current_socket()
        if sock is not None:
            del self._open[expired]
            shut(sock)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = monotonic()
                for expired in [expired for expired, (until, _) in self._open.items() if until() <= now]:
                    self._expire(expired)
                nexts = (max(until(), now + LOOK_AGAIN_SECONDS) for until, _ in self._open.values())
                self._wakes_at = min(nexts, default=inf)
                self._changed.wait(None if self._wakes_at == inf else max(0.0, self._wakes_at - monotonic()))


def shut(sock: socket.socket | None) -> None:
    """Wake whoever reads from it or writes to it: they meet the end of the connection."""
    if sock is not None:
        with contextlib.suppress(OSError):
            # The plain socket's: an SSL socket's own would let the other thread go on without encryption.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


_watch = Watch()
