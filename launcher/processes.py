"""Looking at processes that are not our children, and ending their groups, without mistaking a stranger for
one of them.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

IS_LINUX = sys.platform == "linux"


def born(pid: int) -> str | None:
    """When the process began, as an opaque mark that a later process of the same number does not share; None:
    it is gone."""
    if not IS_LINUX:
        return _ps(pid, "lstart=")
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]


def exists(pid: int) -> bool:
    """Whether the number is in use, if only by a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def command_line(pid: int) -> str:
    """The words it was started with, or "" when it is gone."""
    if not IS_LINUX:
        return _ps(pid, "command=") or ""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
    except OSError:
        return ""


def _ps(pid: int, field: str) -> str | None:
    found = subprocess.run(["ps", "-ww", "-o", field, "-p", str(pid)], capture_output=True, check=False)
    return os.fsdecode(found.stdout).strip() or None


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def signal_process(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def group_lives(group: int) -> bool:
    """PermissionError is macOS's answer for a group in which only zombies are left."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def is_ours(group: int, mark: str | None) -> bool:
    """A group outlives its leader, and its number is not given away as long as it does; so only a living
    leader of another birth proves that the number has passed to a stranger."""
    if not group_lives(group):
        return False
    now = born(group)
    return now is None or now == mark


def ask_group(group: int) -> None:
    """SIGTERM to the leader alone, for it knows how to stop its helpers; to the helpers when the leader is
    gone."""
    if born(group) is not None:
        signal_process(group, signal.SIGTERM)
    else:
        signal_group(group, signal.SIGTERM)


def end_groups(groups: Iterable[tuple[int, str | None]], seconds: float) -> None:
    """Ask each to end, wait for all of them together, and kill what is left. `groups`: leader and its birth
    mark."""
    left = {group: mark for group, mark in groups if is_ours(group, mark)}
    for group in left:
        ask_group(group)

    def all_gone() -> bool:
        for group in list(left):
            if born(group) is None:
                signal_group(group, signal.SIGKILL)
            if not group_lives(group):
                del left[group]
        return not left

    if not wait_until(all_gone, seconds):
        for group in left:
            signal_group(group, signal.SIGKILL)
