"""A tiny process that outlives the supervisor for the few seconds it takes to stop what the supervisor
started.

    python -m launcher.guard        reads "add <pid> <birth>" and "remove <pid>" on its standard input

The other end of that pipe is held by the supervisor alone. When it closes, for whatever reason, the guard
asks every process group that is left to stop, kills what is still there after ten seconds, and ends. It holds
whatever locks it was given until then: the embedded servers stay for those who are still using them, and the
next start waits.

The guard itself may be killed, too: the supervisor then starts another. If both are killed at once, the next
start reads DATA_DIR/children.json and does the same.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from launcher.places import CHECKOUT
from launcher.processes import born, end_groups

PATIENCE = 10.0


class Guard:
    """The supervisor's end of the pipe."""

    def __init__(self, notes: Path, held: Sequence[int] = ()) -> None:
        """`notes`: children.json; `held`: file descriptors that the guard keeps open."""
        self._notes = notes
        self._held = held
        self._watched: dict[int, str | None] = {}
        self._process: subprocess.Popen[str] | None = None
        self.check()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def check(self) -> bool:
        """True: there was none, and now there is one that knows everything the old one knew."""
        if self._process and self._process.poll() is None:
            return False
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-m", "launcher.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=CHECKOUT,
            start_new_session=True,
            pass_fds=self._held,
        )
        for pid, mark in self._watched.items():
            self._tell(f"add {pid} {mark or '-'}")
        return True

    def watch(self, pid: int) -> None:
        self._watched[pid] = born(pid)
        self._tell(f"add {pid} {self._watched[pid] or '-'}")
        self._note()

    def forget(self, pid: int) -> None:
        if self._watched.pop(pid, self) is not self:
            self._tell(f"remove {pid}")
            self._note()

    def close(self) -> None:
        """Returns when nothing is left of what it still watched."""
        if self._process and self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.wait()
        self._notes.unlink(missing_ok=True)

    def _tell(self, line: str) -> None:
        """One that has just been killed is replaced by the next check."""
        if self._process and self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()

    def _note(self) -> None:
        with contextlib.suppress(OSError):
            self._notes.write_text(json.dumps(self._watched), encoding="utf-8")


def end_leftovers(notes: Path) -> None:
    """What a supervisor and its guard, killed together, left behind."""
    try:
        found = json.loads(notes.read_text(encoding="utf-8"))
        groups = [(int(pid), str(mark)) for pid, mark in found.items() if mark]
    except (OSError, ValueError, AttributeError):
        return
    end_groups([(pid, mark) for pid, mark in groups if born(pid) == mark], PATIENCE)
    notes.unlink(missing_ok=True)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    watched: dict[int, str | None] = {}
    for line in sys.stdin:
        verb, pid, *mark = line.split()
        if verb == "add":
            watched[int(pid)] = None if mark == ["-"] else " ".join(mark)
        else:
            watched.pop(int(pid), None)
    end_groups(watched.items(), PATIENCE)


if __name__ == "__main__":
    main()
