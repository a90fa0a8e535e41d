"""A disk that can be full or read-only: a tmpfs of a few megabytes, in a mount namespace of this process.

What is mounted is seen by this process and by those that it starts from then on, and goes with the last of them.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.checkout import ROOT

CLONE_NEWNS = 0x20000
MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE = 1, 32, 16384, 1 << 18
MNT_DETACH = 2

LIBC = ctypes.CDLL(None, use_errno=True)

NEEDS = "needs root, to mount a small disk"

_owner = 0


@cache
def can_mount() -> bool:
    """Tried out, since root in a container may be not allowed to."""
    code = "from tests.small_disk import enter_own_mounts; enter_own_mounts()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True)
    return done.returncode == 0


@contextmanager
def small_disk(place: Path, *, megabytes: int) -> Iterator[Path]:
    """`place`, which must be an empty directory, is on a disk of that size."""
    enter_own_mounts()
    _mount(place, f"size={megabytes}m,mode=755")
    try:
        yield place
    finally:
        _check(LIBC.umount2(os.fsencode(place), MNT_DETACH), place)


def enter_own_mounts() -> None:
    """Once for a process: a namespace whose mounts nobody else sees."""
    global _owner
    if _owner == os.getpid():
        return
    _check(LIBC.unshare(CLONE_NEWNS), "/")
    _check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "/")
    _owner = os.getpid()


@contextmanager
def filled(place: Path, *, but: int = 0) -> Iterator[None]:
    """Nothing is free on the disk, but so many bytes; afterwards all is as before."""
    ballast = place / "ballast"
    with ballast.open("wb") as file:
        size, step = 0, 2**24
        while step >= 4096:
            try:
                os.posix_fallocate(file.fileno(), size, step)
                size += step
            except OSError:
                step //= 2
        file.truncate(max(0, size - but))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Nothing can be written on the disk, as after an error of its file system. No file may be open for writing."""
    _mount(place, "", MS_REMOUNT | MS_RDONLY)
    try:
        yield
    finally:
        _mount(place, "", MS_REMOUNT)


def _mount(place: Path, options: str, flags: int = 0) -> None:
    done = LIBC.mount(b"tmpfs", os.fsencode(place), b"tmpfs", flags, options.encode())
    _check(done, place)


def _check(done: int, place: object) -> None:
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(place))
