"""The processes that this one has started, as the kernel knows them."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self


def children(program: str) -> list[int]:
    """Those that run the program."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread, or a child, that has ended meanwhile
            found += [int(pid) for pid in (task / "children").read_text().split() if runs(int(pid), program)]
    return found


def runs(pid: int, program: str) -> bool:
    with suppress(OSError):
        return program.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return False


class Peak:
    """The most memory that any child which runs the program has had while the context lasted, in megabytes."""

    def __init__(self, program: str) -> None:
        self.megabytes = 0
        self._program = program
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.01):
            for pid in children(self._program):
                self.megabytes = max(self.megabytes, high_water(pid))


def high_water(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return 0
