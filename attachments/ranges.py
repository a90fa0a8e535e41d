"""The Range header of RFC 9110, section 14: which bytes of a file are wanted. Pure."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Bytes `first` to `last`, both included, of a file of `size`."""

    first: int
    last: int
    size: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    @property
    def content_range(self) -> str:
        return f"bytes {self.first}-{self.last}/{self.size}"


class UnsatisfiableError(Exception):
    """Nothing of the file lies in the range: 416."""


def wanted_span(header: str | None, *, size: int) -> Span | None:
    """The span of a Range header; None for the whole file: without one, and for what we need not understand (other
    units, several ranges, nonsense), which a server may ignore."""
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", header or "", re.ASCII | re.IGNORECASE)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:  # the last so many bytes
        length = min(int(match[2]), size)
        if not length:
            raise UnsatisfiableError
        return Span(size - length, size - 1, size)
    first, last = int(match[1]), min(int(match[2] or size), size - 1)
    if match[2] and int(match[2]) < first:
        return None
    if first >= size:
        raise UnsatisfiableError
    return Span(first, last, size)
