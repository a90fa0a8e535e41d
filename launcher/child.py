"""One process of `make run`: started in a group of its own, its lines shown with its name, started again when
it ends.

It waits one second before the first new start, twice as long before each further one, up to half a minute; a
minute of life makes it a first one again. When it keeps ending, only the last lines of each attempt are
shown.
"""

import collections
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from launcher.guard import Guard
from launcher.processes import signal_group, signal_process
from launcher.terminal import Terminal

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
LONG_LIFE = 60.0
QUIET_AFTER = 3
QUIET_SECONDS = 10.0
QUIET_LINES = 8
LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Process:
    """A line of the table: what runs. `environment` is added to that of all; `patience` is how long its
    orderly end may take before the next one is asked to end."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 5.0


class Child:
    def __init__(self, process: Process, directory: Path, guard: Guard, terminal: Terminal) -> None:
        self.process = process
        self.environment: Mapping[str, str] = {}
        self._directory = directory
        self._guard = guard
        self._terminal = terminal
        self._popen: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._pause = SHORTEST_PAUSE
        self._ends_in_a_row = 0

    @property
    def pid(self) -> int | None:
        return self._popen.pid if self._popen else None

    def tick(self) -> None:
        """Start it when it is time; notice when it has ended."""
        if self._popen is None:
            if time.monotonic() >= self._start_at:
                self._start()
        elif self._popen.poll() is not None:
            self._ended(self._popen)

    def _start(self) -> None:
        try:
            popen = subprocess.Popen(
                self.process.command,
                cwd=self._directory,
                env={**self.environment, **self.process.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self._postpone(f"could not be started ({error.strerror})")
            return
        self._guard.watch(popen.pid)
        self._popen, self._started_at = popen, time.monotonic()
        self._pump = threading.Thread(target=self._show, args=(popen.stdout, self._started_at), daemon=True)
        self._pump.start()

    def _show(self, pipe: IO[bytes], started_at: float) -> None:
        """In a thread of its own, until nobody of the group holds the other end."""
        kept: collections.deque[str] = collections.deque(maxlen=QUIET_LINES)
        is_quiet = self._ends_in_a_row >= QUIET_AFTER
        for line in iter(lambda: pipe.readline(LONGEST_LINE), b""):
            kept.append(line.decode("utf-8", "replace").rstrip("\r\n"))
            if not is_quiet or time.monotonic() - started_at > QUIET_SECONDS:
                self._flush(kept)
        self._flush(kept)
        pipe.close()

    def _flush(self, lines: collections.deque[str]) -> None:
        while lines:
            self._terminal.line(self.process.name, lines.popleft())

    def _ended(self, popen: subprocess.Popen[bytes]) -> None:
        if time.monotonic() - self._started_at > LONG_LIFE:
            self._pause, self._ends_in_a_row = SHORTEST_PAUSE, 0
        self._let_go(popen)
        self._postpone(f"ended ({_how(popen.returncode)})")

    def _postpone(self, what: str) -> None:
        self._terminal.line(self.process.name, f"{what}; starting it again in {self._pause:.0f} s")
        self._start_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._ends_in_a_row += 1

    def _let_go(self, popen: subprocess.Popen[bytes]) -> None:
        """What is left of its group has lost its head, and may sit on its port."""
        signal_group(popen.pid, signal.SIGKILL)
        self._guard.forget(popen.pid)
        self._popen = None
        if self._pump:
            self._pump.join(1.0)

    def ask_to_stop(self) -> None:
        """The leader only: it knows how to stop its helpers."""
        if self._popen:
            signal_process(self._popen.pid, signal.SIGTERM)

    def has_stopped(self) -> bool:
        if self._popen and self._popen.poll() is not None:
            self._let_go(self._popen)
        return self._popen is None

    def kill(self) -> None:
        if self._popen:
            signal_group(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
            self._let_go(self._popen)

    def forgive(self) -> None:
        """Start it at the next tick, as if it had never ended."""
        self._start_at, self._pause, self._ends_in_a_row = 0.0, SHORTEST_PAUSE, 0


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
