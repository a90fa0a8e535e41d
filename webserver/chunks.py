"""The chunked transfer coding of RFC 9112, section 7.1, decoded as it arrives.

gunicorn's own decoder reads from a socket and waits there. This one is fed, and as strict: whatever two servers might
read differently is refused, since that is how requests are smuggled. Trailers are checked and dropped.
"""

import re

from gunicorn.http.body import CHUNK_EXT_RE
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkExtension, InvalidChunkSize, InvalidHeader
from gunicorn.http.message import RFC9110_6_5_1_FORBIDDEN_TRAILER

SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*(;.*))?", re.DOTALL)
TRAILER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t\x20-\x7e\x80-\xff]*")
MAX_LINE_BYTES = 4096
MAX_TRAILER_BYTES = 8192
MAX_EXCESS_BYTES = 16 * 1024
"""By how much the framing of a body may exceed twice its content. Content earns no credit for
framing that comes later."""


class ChunkedDecoder:
    """`decode` returns the content of what it is given. Once `is_complete`, `rest` is what came after the body."""

    def __init__(self) -> None:
        self.is_complete = False
        self.rest = b""
        self._line = bytearray()
        self._left = 0  # of the chunk that is being read
        self._read_line = self._size_line
        self._trailers = 0
        self._excess = 0

    def decode(self, data: bytes) -> bytes:
        content = []
        at = 0
        while at < len(data) and not self.is_complete:
            if self._left:
                part = data[at : at + self._left]
                content.append(part)
                self._left -= len(part)
                self._excess = max(0, self._excess - 2 * len(part))
                at += len(part)
            else:
                end = data.find(b"\n", at) + 1 or len(data)
                self._line += data[at:end]
                self._excess += end - at
                at = end
                self._check_line()
        self.rest = data[at:]
        return b"".join(content)

    def _check_line(self) -> None:
        if len(self._line) > MAX_LINE_BYTES:
            raise InvalidChunkSize(b"line too long")
        if self._excess > MAX_EXCESS_BYTES:
            raise InvalidChunkSize(b"too little content in too many chunks")
        if not self._line.endswith(b"\n"):
            return
        if not self._line.endswith(b"\r\n"):
            raise InvalidChunkSize(b"bare LF")
        line = bytes(self._line[:-2])
        self._line.clear()
        self._read_line(line)

    def _size_line(self, line: bytes) -> None:
        match = SIZE.fullmatch(line)
        if match is None:
            raise InvalidChunkSize(line[:40])
        if match[2] and not CHUNK_EXT_RE.fullmatch(match[2]):
            raise InvalidChunkExtension("invalid chunk extension")
        self._left = int(match[1], 16)
        self._read_line = self._end_of_chunk if self._left else self._trailer_line

    def _end_of_chunk(self, line: bytes) -> None:
        if line:
            raise ChunkMissingTerminator(line[:2])
        self._read_line = self._size_line

    def _trailer_line(self, line: bytes) -> None:
        self._trailers += len(line)
        if self._trailers > MAX_TRAILER_BYTES:
            raise InvalidChunkSize(b"trailers too long")
        self.is_complete = not line
        match = TRAILER.fullmatch(line)
        if line and (match is None or match[1].decode().upper() in RFC9110_6_5_1_FORBIDDEN_TRAILER):
            raise InvalidHeader("invalid trailer")
