"""When a child of the worker is replaced by a fresh one: when it has grown, and does nothing that its end would lose.

Celery's own limits end a child after a job, though a thread of it may be waiting for an answer. The pool asks after
each job whether the child's memory (in KB) is greater than the limit, and this limit answers.
"""

from collections.abc import Callable

_reasons: list[Callable[[], bool]] = []


def unless(is_busy: Callable[[], bool]) -> None:
    """Keep this process while `is_busy()`."""
    _reasons.append(is_busy)


class UnlessBusy(int):
    """A limit that nothing exceeds while the process is busy."""

    def __lt__(self, used: int) -> bool:
        return int(self) < used and not any(is_busy() for is_busy in _reasons)
