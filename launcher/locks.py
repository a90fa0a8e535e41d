"""Advisory locks (flock) on files. The kernel drops them with the last process that holds them, however it
dies.
"""

import contextlib
import fcntl
import os
from pathlib import Path

from launcher.errors import from_os_error

SHARED = fcntl.LOCK_SH
EXCLUSIVE = fcntl.LOCK_EX


def try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: Path) -> bool:
    """Whether somebody holds it exclusively. Looking takes it for a moment, so who wants it exclusively tries
    twice."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(fd, SHARED)
    finally:
        os.close(fd)


class LockFile:
    """A lock file kept open. Forks share the lock; programs started with exec do not, unless they are given
    `fd`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise from_os_error(error, path) from error

    def take(self, kind: int) -> bool:
        """Without waiting. A lock on a file that was deleted meanwhile excludes nobody, so it does not
        count."""
        try:
            return try_lock(self.fd, kind) and self.is_current()
        except OSError as error:
            raise from_os_error(error, self.path) from error

    def is_current(self) -> bool:
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self.fd))

    def drop(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self.fd)

    def read(self) -> str:
        return os.pread(self.fd, 4096, 0).decode("utf-8", "replace")

    def write(self, text: str) -> None:
        """A note for whoever finds it locked. On a full disk there is none: the lock counts."""
        os.ftruncate(self.fd, 0)
        with contextlib.suppress(OSError):
            os.pwrite(self.fd, text.encode(), 0)
