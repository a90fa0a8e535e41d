"""What the kernel says about processes."""

from pathlib import Path


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
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
