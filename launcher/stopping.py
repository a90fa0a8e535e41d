"""Being asked to stop: by Ctrl-C, SIGTERM, SIGHUP, or because whoever started us is gone.

While things are set up, a signal ends the wait at once (`interruptible`). Afterwards it only leaves a note,
which the main loop reads: nothing may be torn between starting a process and remembering it. A second Ctrl-C
asks to hurry.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from launcher.processes import IS_LINUX, command_line

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What one Ctrl-C may deliver twice: from the terminal, and passed on by another program.
ECHO = 0.5


class Stop(BaseException):
    """Raised by a signal inside `interruptible`."""


class StopRequest:
    def __init__(self) -> None:
        self.is_made = False
        self.is_urgent = False
        self._made_at = 0.0
        self._may_raise = False
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def make(self) -> None:
        if not self.is_made:
            self.is_made, self._made_at = True, time.monotonic()

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Must not be left between starting something and writing it down."""
        self._may_raise = True
        try:
            if self.is_made:
                raise Stop
            yield
        finally:
            self._may_raise = False

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.is_made:
            self.is_urgent |= number == signal.SIGINT and time.monotonic() - self._made_at > ECHO
            return
        self.make()
        if self._may_raise:
            self._may_raise = False
            raise Stop


class Parent:
    """The make that started us. It does not tell its child everything: it may be killed; and a SIGINT or
    SIGHUP sent to it alone it only notes down, waits for us, and forgets (it takes for granted that the
    terminal told us, too)."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._caught = self._signals_caught() if "make" in command_line(pid).partition(" ")[0] else 0

    def wants_us(self) -> bool:
        if os.getppid() != self._pid:
            return False
        # make puts the default action back when it has caught one of them.
        return not self._caught & ~self._signals_caught()

    def _signals_caught(self) -> int:
        if not IS_LINUX:
            return 0
        try:
            status = Path(f"/proc/{self._pid}/status").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return 0
        mask = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:")), 0)
        return mask & (1 << (signal.SIGINT - 1) | 1 << (signal.SIGHUP - 1))
