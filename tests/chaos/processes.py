"""What the kernel says about processes, and those that the harness has started."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

RESTART_AFTER = 0.3
"""Seconds between a death and the new start, as a supervisor takes them."""


def stat_of(pid: int) -> list[str]:
    """The fields after the name: state, parent, group, …; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """A zombie, which nobody has reaped yet, is dead."""
    fields = stat_of(pid)
    return bool(fields) and fields[0] not in "ZX"


def children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def resident_bytes(pid: int) -> int:
    """How much memory it holds; 0 if it is gone."""
    return _bytes(Path(f"/proc/{pid}/status"), "VmRSS:")


def proportional_bytes(pid: int) -> int:
    """The same, but of what several processes share, its part (PSS)."""
    return _bytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _bytes(file: Path, name: str) -> int:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


class Program:
    """A process group. `is_wanted` says that the supervisor, who calls `tick`, starts it again when it has died."""

    def __init__(self, name: str, start: Callable[[], "subprocess.Popen[bytes]"]) -> None:
        self.name = name
        self.is_wanted = True
        self._start = start
        self._process: subprocess.Popen[bytes] | None = None
        self._died_at = float("-inf")

    @property
    def pid(self) -> int:
        """Of its first process; 0 while there is none."""
        process = self._process
        return process.pid if process and process.poll() is None else 0

    def tick(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            self._process, self._died_at = None, time.monotonic()
        if self._process is None and self.is_wanted and time.monotonic() - self._died_at > RESTART_AFTER:
            self._process = self._start()

    def signal(self, number: int) -> None:
        """To the whole group."""
        if pid := self.pid:
            with suppress(ProcessLookupError):
                os.killpg(pid, number)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def end(self) -> None:
        """Kill all of it, for good."""
        self.is_wanted = False
        if process := self._process:
            for number in (signal.SIGKILL, signal.SIGCONT):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            process.wait()
