"""Runs celery or gunicorn with the failpoints connected: `python -m tests.chaos.armed celery -A config worker …`.

Production has no way to arm a failpoint: what stands behind `work.failpoints.at_point` is a function that does nothing,
and only this program, which no installation has, puts another in its place. Celery's signals add points in beat and
worker without any code in the product: "publishing <job>", "published <job>" and "received <job>".

It also writes down, for each message, when the last check before it began. So the harness can tell whether a message
announced what had been taken back by then.
"""

import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from celery import signals

from launcher.linux import die_with_parent
from tests.chaos.armory import Armory
from work import failpoints

DIRECTORY = Path(os.environ.get("CHAOS_DIRECTORY", ""))
NAME = os.environ.get("CHAOS_PROCESS", "")


class Trace:
    """One line for each message whose text goes out: delivery, when its last check began, when its text had gone.

    A check is made by one thread and the message sent by another, in which "delivery checked" says which it is.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._checking_at: dict[int, float] = {}
        self._own = threading.local()

    def look(self, point: str, facts: dict[str, Any]) -> None:
        if point == "delivery checking":  # before the statement runs
            self._checking_at[int(facts["id"])] = time.monotonic()
        elif point == "delivery checked":
            self._own.id = int(facts["id"])
        elif point == "text sent":
            checking_at = self._checking_at[self._own.id]
            line = f"{self._own.id} {checking_at:.6f} {time.monotonic():.6f} {NAME}:{os.getpid()}\n"
            os.write(self._file, line.encode())


def arm() -> None:
    armory, trace = Armory(DIRECTORY / "armory"), Trace(DIRECTORY / "trace")

    def at_point(point: str, facts: dict[str, Any]) -> None:
        trace.look(point, facts)
        armory.pass_by(point, process=NAME)

    def at_signal(verb: str) -> Any:
        def receive(sender: Any = None, request: Any = None, **_: Any) -> None:
            failpoints.reached(f"{verb} {request.name if request else sender}")

        return receive

    def ready(**_: Any) -> None:
        (DIRECTORY / "ready" / NAME).write_text(str(os.getpid()))

    def finished(**_: Any) -> None:
        (DIRECTORY / "finished" / str(os.getpid())).write_text(str(time.monotonic()))

    failpoints.at_point = at_point
    signals.before_task_publish.connect(at_signal("publishing"), weak=False)
    signals.after_task_publish.connect(at_signal("published"), weak=False)
    signals.task_received.connect(at_signal("received"), weak=False)
    signals.task_postrun.connect(finished, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    signals.beat_init.connect(ready, weak=False)


def main() -> None:
    die_with_parent(signal.SIGKILL, int(os.environ["CHAOS_HARNESS"]))
    program, *arguments = sys.argv[1:]
    arm()
    # The settings look at the program's name to tell a service from a command.
    sys.argv = [str(Path(sys.executable).parent / program), *arguments]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
