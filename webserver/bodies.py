"""The body of a request, collected as it arrives: in memory, and on the disk from MEMORY_BODY_BYTES on."""

from contextlib import suppress
from tempfile import SpooledTemporaryFile
from threading import Lock

from webserver.chunks import ChunkedDecoder
from webserver.limits import MEMORY_BODY_BYTES


class BodyTooLargeError(Exception):
    """It is longer than it may be for this request."""


class NoRoomError(Exception):
    """The disk, or the part of it that bodies may take, is full."""


class Spool:
    """How much of the disk all bodies of this process take. Their temporary files have no name and end with them."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._lock = Lock()

    def take(self, size: int) -> None:
        with self._lock:
            if size > self._free:
                raise NoRoomError
            self._free -= size

    def give_back(self, size: int) -> None:
        with self._lock:
            self._free += size


class Body:
    """`length` is None for one that comes in chunks. Not for two threads at a time."""

    def __init__(self, spool: Spool, *, length: int | None, most: int, started_at: float) -> None:
        if length is not None and length > most:
            raise BodyTooLargeError
        self.size = 0
        self.started_at = started_at
        self.is_complete = length == 0
        self.rest = b""
        self.file = SpooledTemporaryFile(max_size=MEMORY_BODY_BYTES)  # noqa: SIM115 (closed by `close`)
        self._length, self._most = length, most
        self._chunks = ChunkedDecoder() if length is None else None
        self._spool, self._taken = spool, 0

    @property
    def is_for_disk(self) -> bool:
        """Whether the next part may be written to the disk, for which a poller must not wait."""
        return self.size > MEMORY_BODY_BYTES // 2 or (self._length or 0) > MEMORY_BODY_BYTES

    def feed(self, data: bytes) -> None:
        """Take what has arrived. Once `is_complete`, `rest` is what came after the body, and `file` stands at its
        start."""
        if self._chunks is not None:
            content = self._chunks.decode(data)
            self.is_complete, self.rest = self._chunks.is_complete, self._chunks.rest
        else:
            left = (self._length or 0) - self.size
            content, self.rest = data[:left], data[left:]
            self.is_complete = len(content) == left
        self._store(content)

    def _store(self, content: bytes) -> None:
        self.size += len(content)
        if self.size > self._most:
            raise BodyTooLargeError
        if self.size > MEMORY_BODY_BYTES:
            self._spool.take(self.size - self._taken)
            self._taken = self.size
        try:
            self.file.write(content)
            if self.is_complete:
                self.file.seek(0)
        except OSError as error:
            raise NoRoomError from error

    def close(self) -> None:
        """Never fails: closing the file writes what is buffered, and nobody needs that any more."""
        try:
            with suppress(OSError):
                self.file.close()
        finally:
            self._spool.give_back(self._taken)
            self._taken = 0
