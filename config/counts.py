"""The files in which each process counts for /metrics, as prometheus_client's collector reads them.

prometheus_client maps these files into memory, and the kernel kills a process that touches a mapped page which the disk
does not take (SIGBUS). Allocating the page before would help where the disk is full, but not where it has become
read-only or broken, nor on file systems that copy on write. So the files are written to here, which costs 2 µs a
count: what the disk does not take is an error. The counts are in memory as well, and are written when the disk takes
them again.

A file is named by a process id, and locked: processes of containers that share DATA_DIR and the host name have the same
one. Whoever finds the file locked counts in memory alone, since two that write one file leave it unreadable.
"""

import fcntl
import math
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import structlog
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

TRY_AGAIN_SECONDS = 30.0

HEADER = 8
"""Bytes before the first entry; they say how many bytes are in use."""

VALUE = 16
"""Bytes of a value with its timestamp, which are the last of its entry."""

log = structlog.get_logger("config")


def write_counts() -> None:
    """Have prometheus_client use these files instead of its own."""
    values.MmapedDict = CountsFile  # type: ignore[attr-defined,assignment]  # not exported, but meant to be found there


class CountsFile(MmapedDict):
    """The counts of one type of one process. prometheus_client holds a lock around each call."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._descriptor: int | None = None
        self._is_behind, self._try_again_at = False, -math.inf
        self._is_anothers = False
        with suppress(OSError):  # it is opened when the disk takes it
            self._open()
        self._m: Any = empty() if self._is_anothers else kept(self._path)
        self._used = self._told = len(self._m)
        """`_told` of `_used` bytes the file says that they are in use."""
        self._capacity = sys.maxsize  # a bytearray grows when something is assigned to its end
        self._positions = {key: place for key, _, _, place in self._read_all_values()}  # type: ignore[no-untyped-call]

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        super().write_value(key, value, timestamp)  # type: ignore[no-untyped-call]
        place = self._positions[key]
        self._save(place, place + VALUE)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _init_value(self, key: str) -> None:
        begin = self._used
        super()._init_value(key)  # type: ignore[no-untyped-call]
        self._save(begin, self._used)

    def _save(self, begin: int, end: int) -> None:
        """Write these bytes, and all of them once some could not be written."""
        if self._is_anothers:
            return
        if self._is_behind:
            if monotonic() < self._try_again_at:
                return
            begin, end = HEADER, self._used
        try:
            self._write(begin, end)
        except OSError as error:
            self._try_again_at = monotonic() + TRY_AGAIN_SECONDS
            if not self._is_behind:
                self._is_behind = True
                log.warning("counts are kept in memory alone", path=str(self._path), error=str(error))
        else:
            if self._is_behind:
                self._is_behind = False
                log.info("counts are in their file again", path=str(self._path))

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            self._is_anothers = True
            log.warning(
                "counts are kept in memory alone: another process has the same id; give each container a host name "
                "or a DATA_DIR of its own", path=str(self._path),
            )  # fmt: skip
            return
        except OSError:  # a file system without locks
            pass
        self._descriptor = descriptor

    def _write(self, begin: int, end: int) -> None:
        """The header after the entries, so that it never tells of one that is not there."""
        if self._descriptor is None:
            self._open()
        if self._descriptor is None:
            return
        write_at(self._descriptor, bytes(self._m[begin:end]), begin)
        if self._told != self._used:
            write_at(self._descriptor, bytes(self._m[:HEADER]), 0)
            self._told = self._used


def kept(path: Path) -> bytearray:
    """What a process that had this pid before has counted; the content of a file without counts if there is none."""
    try:
        content = path.read_bytes()
        used = int.from_bytes(content[:4], "little")
        if not HEADER <= used <= len(content):
            return empty()
        list(MmapedDict.read_all_values_from_file(path))  # type: ignore[no-untyped-call]
    except (OSError, ValueError, RuntimeError, struct.error):
        return empty()
    return bytearray(content[:used])


def empty() -> bytearray:
    return bytearray(struct.pack("i4x", HEADER))


def write_at(descriptor: int, content: bytes, place: int) -> None:
    """All of it: a disk that has no more room may take a part first."""
    while content:
        written = os.pwrite(descriptor, content, place)
        content, place = content[written:], place + written
