"""A client of ClamAV's daemon: one command, INSTREAM, over a socket file or TCP.

The protocol (clamd(8)): `zINSTREAM\\0`, then chunks, each behind its length as four bytes in network order, and a
length of zero at the end; the answer is one line, `stream: OK`, `stream: <name> FOUND` or `<what> ERROR`.
"""

import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic

from work import racing

LONGEST_ANSWER = 4096
CHUNK = 64 * 1024

TOO_LARGE = "size limit exceeded"
NOT_LOOKED_INTO = ("Heuristics.Limits.Exceeded", "Heuristics.Encrypted")
"""Names that clamd gives to what it could not look into, where it is configured to say so (AlertExceedsMax, …)."""


class ScannerUnavailableError(Exception):
    """The scanner does not answer, or not sensibly: that says nothing about the file.

    `carrying`: it could be reached, so it may be the file that it broke on.
    """

    def __init__(self, text: str, *, carrying: bool = False) -> None:
        super().__init__(text)
        self.carrying = carrying


@dataclass(frozen=True)
class Address:
    """Where clamd listens: a socket file, or a host and a port."""

    path: str = ""
    host: str = ""
    port: int = 0


@dataclass(frozen=True)
class Answer:
    """What the scanner says of one file."""

    is_clean: bool
    found: str = ""
    """What it has found; empty if the file is clean or could not be scanned."""
    why_not: str = ""
    """Why it could not be scanned; empty if it could."""


def scan(address: Address, chunks: Iterable[bytes], *, seconds: float) -> Answer:
    """Have the file scanned, within so many seconds in all. ScannerUnavailableError if nothing is known after that."""
    until = monotonic() + seconds
    with conversation(address, until=until) as connection:
        send(connection, b"zINSTREAM\0", until=until)
        with suppress(BrokenPipeError, ConnectionResetError):  # it has said why before it hung up
            for chunk in pieces(chunks):
                send(connection, struct.pack("!I", len(chunk)) + chunk, until=until)
            send(connection, struct.pack("!I", 0), until=until)
        return understood(receive(connection, until=until))


def version(address: Address, *, seconds: float) -> str:
    """The scanner's own version and that of its signatures: ClamAV 1.4.6/27500/Sun Nov 22 09:25:11 2026."""
    until = monotonic() + seconds
    with conversation(address, until=until) as connection:
        send(connection, b"zVERSION\0", until=until)
        return receive(connection, until=until)[:200]


def understood(line: str) -> Answer:
    """The answer behind a line of clamd's."""
    what, _, verdict = line.rpartition(" ")
    name = what.removeprefix("stream:").strip()
    if verdict == "OK" and not name:
        return Answer(is_clean=True)
    if verdict == "FOUND" and name.startswith(NOT_LOOKED_INTO):
        return Answer(is_clean=False, why_not=f"the scanner could not look into it: {name}")
    if verdict == "FOUND" and name:
        return Answer(is_clean=False, found=name)
    if verdict == "ERROR" and TOO_LARGE in name:
        return Answer(is_clean=False, why_not=f"larger than the scanner takes: {name}")
    raise ScannerUnavailableError(f"the scanner answered {line[:200]!r}", carrying=True)


def pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Without empty ones, which would end the stream, and none larger than clamd takes at once."""
    for chunk in chunks:
        for begin in range(0, len(chunk), CHUNK):
            yield chunk[begin : begin + CHUNK]


@contextmanager
def conversation(address: Address, *, until: float) -> Iterator[socket.socket]:
    """A connection to clamd; whatever breaks it is a ScannerUnavailableError that says where."""
    is_open = False
    try:
        with connected(address, until=until) as connection:
            is_open = True
            yield connection
    except OSError as error:
        # Without the address: this is read by people who have uploaded something.
        words = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise ScannerUnavailableError(f"the virus scanner cannot be reached: {words}", carrying=is_open) from error


def connected(address: Address, *, until: float) -> socket.socket:
    if not address.path:
        return racing.connect(address.host, address.port, within=left(until))
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(left(until))
        connection.connect(address.path)
    except BaseException:
        connection.close()
        raise
    return connection


def send(connection: socket.socket, data: bytes, *, until: float) -> None:
    """All of it; the timeout of sendall is one for the whole call."""
    connection.settimeout(left(until))
    connection.sendall(data)


def receive(connection: socket.socket, *, until: float) -> str:
    """What it says, to the end: clamd closes behind its answer."""
    said = b""
    while len(said) < LONGEST_ANSWER and not said.endswith(b"\0"):
        connection.settimeout(left(until))
        part = connection.recv(LONGEST_ANSWER)
        if not part:
            break
        said += part
    if not said:
        raise ConnectionAbortedError("it hung up without an answer")
    return said.rstrip(b"\0\n").decode(errors="replace").strip()


def left(until: float) -> float:
    """Seconds; TimeoutError when there are none."""
    seconds = until - monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
