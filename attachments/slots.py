"""How many processes of one worker may be at files at a time: all but one, which stays for reminders.

A scan or a drawing takes seconds where a reminder takes milliseconds. A slot is a locked file, which the kernel lets go
with its process, however that ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname

import structlog
from django.conf import settings

log = structlog.get_logger("attachments")

_is_disk_usable = True
"""Told once: while the disk is full, a run looks for a slot several times a second."""


def most() -> int:
    return max(1, int(settings.WORKER_CONCURRENCY) - 1)


@contextmanager
def slot() -> Iterator[bool]:
    """Whether there was one; it is kept until the context ends. There is none on a disk that cannot be written."""
    global _is_disk_usable
    try:
        descriptor = taken()
    except OSError as error:
        if _is_disk_usable:
            log.warning("files wait: the disk cannot be written", error=str(error))
        descriptor, _is_disk_usable = None, False
    else:
        _is_disk_usable = True
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def taken() -> int | None:
    """A descriptor that holds a slot of this worker, whose processes have one parent; None if all are taken."""
    directory = Path(settings.UPLOAD_DIR)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(most()):
        path = directory / f"{gethostname()}-{os.getppid()}-{number}.slot"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            os.utime(descriptor)  # receiving.clear_abandoned deletes those of workers that are long gone
            return descriptor
    return None
