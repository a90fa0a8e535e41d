"""What arms a failpoint: files in a directory that the harness shares with the processes it started.

`arm` leaves `<point>.<hits left>`. Whoever reaches the point renames it to one hit less, which is atomic, so of any
number of processes exactly one makes the last hit, and acts.
"""

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

KILL_GROUP = "kill -9 of the whole process"
KILL_CHILD = "kill -9 of the worker's child alone"
FREEZE = "freeze of the whole process"

MOST_HITS = 3


@dataclass(frozen=True)
class Shot:
    """That a process acted at an armed point: who, how, and when on time.monotonic()."""

    pid: int
    group: int
    process: str
    action: str
    at: float


class Armory:
    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)

    def arm(self, point: str, *, hit: int = 1, action: str = KILL_GROUP) -> None:
        """Have the process that comes to `point` as number `hit` from now do `action`."""
        assert 1 <= hit <= MOST_HITS
        self.disarm(point)
        draft = self._path(point, "draft")
        Path(draft).write_text(action)
        os.rename(draft, self._path(point, hit))

    def is_armed(self, point: str) -> bool:
        """Whether nobody has made its last hit yet."""
        return any(os.path.exists(self._path(point, left)) for left in range(1, MOST_HITS + 1))

    def disarm(self, point: str) -> None:
        for end in (*range(MOST_HITS + 1), "shot"):
            with suppress(FileNotFoundError):
                os.unlink(self._path(point, end))

    def clear(self) -> None:
        for path in Path(self._directory).iterdir():
            path.unlink(missing_ok=True)

    def shot(self, point: str) -> Shot | None:
        """Who has acted at the point since it was armed."""
        with suppress(FileNotFoundError):
            return Shot(**json.loads(Path(self._path(point, "shot")).read_text()))
        return None

    def pass_by(self, point: str, *, process: str) -> None:
        """For the processes: count this hit, and act if it is the last one."""
        for left in range(1, MOST_HITS + 1):
            with suppress(FileNotFoundError):
                os.rename(self._path(point, left), self._path(point, left - 1))
                if left == 1:
                    self._act(point, process)
                return

    def _act(self, point: str, process: str) -> None:
        action = Path(self._path(point, 0)).read_text()
        shot = Shot(os.getpid(), os.getpgrp(), process, action, time.monotonic())
        draft = self._path(point, f"draft-{os.getpid()}")
        Path(draft).write_text(json.dumps(asdict(shot)))
        os.rename(draft, self._path(point, "shot"))
        if action == KILL_GROUP:
            os.killpg(shot.group, signal.SIGKILL)
        elif action == KILL_CHILD:
            os.kill(shot.pid, signal.SIGKILL)
        elif action == FREEZE:
            os.killpg(shot.group, signal.SIGSTOP)

    def _path(self, point: str, end: object) -> str:
        return f"{self._directory}/{point.replace(' ', '_')}.{end}"
