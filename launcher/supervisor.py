"""Keeps the processes of `make run` running, and stops them in the reverse order of the table.

It is single-minded: a tick every tenth of a second starts what is due and notices what has ended. Whatever
happens to the supervisor itself, `launcher.guard` stops the processes.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from launcher.child import Child, Process
from launcher.guard import Guard
from launcher.processes import wait_until
from launcher.stopping import StopRequest
from launcher.terminal import Terminal

TICK = 0.1
STOP_SECONDS = 20.0


class Supervisor:
    def __init__(
        self,
        processes: Sequence[Process],
        *,
        directory: Path,
        environment: Mapping[str, str],
        guard: Guard,
        terminal: Terminal,
        stop: StopRequest,
    ) -> None:
        self._children = [Child(process, directory, guard, terminal) for process in processes]
        self._guard = guard
        self._terminal = terminal
        self._stop = stop
        self.use(environment)

    def use(self, environment: Mapping[str, str]) -> None:
        """For processes that start from now on."""
        for child in self._children:
            child.environment = environment

    def run(self, watch: Callable[[], None]) -> None:
        """Until a stop is asked for, and then until everything has stopped. `watch` is called at each
        tick."""
        try:
            while not self._stop.is_made:
                for child in self._children:
                    child.tick()
                self._guard.check()
                watch()
                time.sleep(TICK)
        finally:
            self.stop_all()

    def restart_all(self) -> None:
        self.stop_all()
        for child in self._children:
            child.forgive()

    def stop_all(self) -> None:
        """Each is asked when the one before it has ended or has had its share of the time; in the end none is
        spared."""
        deadline = time.monotonic() + STOP_SECONDS
        for child in reversed(self._children):
            child.ask_to_stop()
            self._wait([child], min(child.process.patience, deadline - time.monotonic()))
        self._wait(self._children, deadline - time.monotonic())
        for child in self._children:
            if not child.has_stopped():
                self._terminal.line(child.process.name, "does not stop; killing it")
                child.kill()

    def _wait(self, children: Sequence[Child], seconds: float) -> None:
        def is_over() -> bool:
            left = [child for child in children if not child.has_stopped()]
            return self._stop.is_urgent or not left

        wait_until(is_over, seconds)
