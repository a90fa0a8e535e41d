"""Opens a connection to the first of several places that answers, within a time that does not grow with their number.

A host that is powered off says nothing, not even that it is away, and so does a resolver. Tried one after the other,
each costs the whole timeout. Here the next place is tried as soon as one has failed or has said nothing for
HEAD_START_SECONDS, beside those that are still being tried; the first that opens wins (RFC 8305 does so for addresses
of a name). Each opening has a thread, since neither libpq nor the resolver can be called off. libpq has a timeout, the
resolver none of ours: a name has one thread at a time, and whoever asks for it meanwhile waits for the same answer.
"""

import errno
import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

Opened = TypeVar("Opened")
Prepare = Callable[[socket.socket], None]

HEAD_START_SECONDS = 0.25


class Outcome(NamedTuple, Generic[Opened]):
    place: int
    opened: Opened | None
    error: Exception | None


class NobodyOpenedError(Exception):
    """No place opened. `errors` are those of the places that have answered, by their numbers; the others are silent."""

    def __init__(self, errors: dict[int, Exception]) -> None:
        super().__init__(errors)
        self.errors = errors

    def telling(self, silence: str) -> Exception:
        """What to raise in its place: the last answer, or a TimeoutError where there was none."""
        return [*self.errors.values()][-1] if self.errors else TimeoutError(silence)


class Race(Generic[Opened]):
    """One attempt to open one of several places. What opens after the end goes to `late`, in the thread of its own."""

    def __init__(self, openings: Sequence[Callable[[], Opened]], *, late: Callable[[int, Opened], None]) -> None:
        self.openings = openings
        self.late = late
        self.outcomes: SimpleQueue[Outcome[Opened]] = SimpleQueue()
        self.is_over = False
        self.lock = Lock()

    def run(self, *, within: float) -> tuple[int, Opened]:
        """The number of the place that has opened, and what was opened. Raises NobodyOpenedError."""
        try:
            return self._first(until=monotonic() + within)
        finally:
            self._end()

    def _first(self, *, until: float) -> tuple[int, Opened]:
        errors: dict[int, Exception] = {}
        begun = 0
        while len(errors) < len(self.openings):
            if begun < len(self.openings):
                self._begin(begun)
                begun += 1
            patience = until - monotonic()
            if begun < len(self.openings):
                patience = min(patience, HEAD_START_SECONDS)
            try:
                outcome = self.outcomes.get(timeout=max(patience, 0.0))
            except Empty:
                if monotonic() >= until:
                    break
                continue
            if outcome.opened is not None:
                return outcome.place, outcome.opened
            if outcome.error is not None:
                errors[outcome.place] = outcome.error
        raise NobodyOpenedError(errors)

    def _begin(self, place: int) -> None:
        try:
            Thread(target=self._open, args=[place], name="opening", daemon=True).start()
        except RuntimeError as error:  # not opened in this thread: that would take as long as the place is silent
            self.outcomes.put(Outcome(place, None, no_thread(error)))

    def _open(self, place: int) -> None:
        try:
            opened = self.openings[place]()
        except Exception as error:
            self.outcomes.put(Outcome(place, None, error))
            return
        with self.lock:
            if not self.is_over:
                self.outcomes.put(Outcome(place, opened, None))
                return
        self.late(place, opened)

    def _end(self) -> None:
        with self.lock:
            self.is_over = True
        with suppress(Empty):
            while True:
                place, opened, _ = self.outcomes.get_nowait()
                if opened is not None:
                    self.late(place, opened)


AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


Name = tuple[str, int]
Answer = Future[list[AddressInfo]]

_asked: dict[Name, Answer] = {}
"""What the resolver was asked and has not answered."""

os.register_at_fork(after_in_child=_asked.clear)  # the threads are the parent's


def addresses_of(host: str, port: int, *, within: float) -> list[AddressInfo]:
    """What getaddrinfo says for TCP. Raises its OSError, or TimeoutError when the resolver says nothing."""
    with suppress(OSError):
        return getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)  # no resolver is asked, so no thread is needed
    try:
        return ask((host, port)).result(timeout=max(within, 0.0))
    except TimeoutError:
        raise TimeoutError(f"the name {host} was not resolved within {within:g} s") from None


def is_asked(host: str, port: int) -> bool:
    """Whether the resolver was asked for that name and has not answered."""
    return (host, port) in _asked


def ask(name: Name) -> Answer:
    """The answer to come. A name that was asked for and not answered is not asked for again."""
    new: Answer = Future()
    answer = _asked.setdefault(name, new)  # one step, so of two threads one asks
    if answer is new:
        try:
            Thread(target=resolve, args=[name, new], name="resolving", daemon=True).start()
        except RuntimeError as error:
            del _asked[name]
            new.set_exception(no_thread(error))
    return answer


def resolve(name: Name, answer: Answer) -> None:
    try:
        found = getaddrinfo(*name)
    except Exception as error:
        del _asked[name]
        answer.set_exception(error)
    else:
        del _asked[name]
        answer.set_result(found)


def no_thread(error: RuntimeError) -> OSError:
    """That no thread can be started is a state of the machine, as that it has no memory left."""
    return OSError(errno.EAGAIN, str(error))


def getaddrinfo(host: str, port: int, *, flags: int = 0) -> list[AddressInfo]:
    return list(dict.fromkeys(socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP, flags=flags)))


def connect(host: str, port: int, *, within: float, prepare: Prepare | None = None) -> socket.socket:
    """A TCP connection to the first address of the host that answers. Name and addresses together take no longer than
    `within`. `prepare` is called with each socket before it connects.

    Raises TimeoutError when nothing answers, else the OSError of the resolver or of an address.
    """
    until = monotonic() + within
    addresses = addresses_of(host, port, within=within)
    race = Race([partial(dial, address, until=until, prepare=prepare) for address in addresses], late=close)
    try:
        connection = race.run(within=until - monotonic())[1]
    except NobodyOpenedError as nobody:
        raise nobody.telling(f"{host}:{port} did not answer within {within:g} s") from None
    connection.settimeout(within)
    return connection


def dial(address: AddressInfo, *, until: float, prepare: Prepare | None) -> socket.socket:
    family, kind, protocol, _, place = address
    connection = socket.socket(family, kind, protocol)
    try:
        if prepare is not None:
            prepare(connection)
        connection.settimeout(max(until - monotonic(), 0.001))
        connection.connect(place)
    except BaseException:
        connection.close()
        raise
    return connection


def close(place: int, connection: socket.socket) -> None:
    connection.close()
