"""How long a client may take, and how much it may send."""

from dataclasses import dataclass

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together. gunicorn's own limits on each line and on the number of lines apply as well."""

MEMORY_BODY_BYTES = 64 * 1024
"""A body up to this size stays in memory; a larger one is written to a temporary file."""

CLOSING_SECONDS = 2.0
"""How long a closing connection still takes what the client sends: a reset would destroy the response on its way."""


@dataclass(frozen=True)
class Limits:
    head_seconds: float
    """From the first byte of a request, or from the start of a connection, to the end of its head."""
    body_seconds: float
    """For a body, to which `body_bytes_per_second` adds a second for so many bytes that have arrived."""
    body_bytes_per_second: int
    stall_seconds: float
    """How long a client may read nothing of a response that waits for it."""
    spool_bytes: int
    """What the bodies of one process may take on the disk at a time."""
    unread_bytes: int
    """What the responses that wait for their clients may take in the memory of one process, beside the newest one."""

    def body_deadline(self, started_at: float, received: int) -> float:
        return started_at + self.body_seconds + received / self.body_bytes_per_second
