"""Whether this worker was told to stop, so that a job can end early and leave the rest to others.

A stop lets running jobs end by themselves. One that has a batch asks `is_asked` between two pieces of it, and hands
back what it has not begun: then a worker is gone as soon as the message that it was just handing over. The answer is
one byte of memory that the worker shares with the children that it forks.

Why not Celery's own means: REMAP_SIGTERM=SIGQUIT, which keeps a SIGTERM to the whole group from the children, also has
the worker sleep for the whole soft shutdown, and cancel its jobs then, in the middle of whatever they do. Its signal
worker_shutting_down comes after that.
"""

from mmap import mmap
from typing import Any

from celery import bootsteps
from celery.apps.worker import install_worker_term_handler  # type: ignore[attr-defined]  # its stubs lack it
from celery.platforms import EX_OK, signals

ASKING = ("SIGTERM", "SIGQUIT", "SIGINT")

_asked = mmap(-1, 1)  # shared with every process that is forked after this import


def is_asked() -> bool:
    """Whether a stop has begun. Always False outside a worker."""
    return _asked[0] != 0


def ask() -> None:
    """Let the jobs of this worker end early."""
    _asked[0] = 1


class Listen(bootsteps.StartStopStep):
    """A part of the worker (config/celery.py): starts after Celery has set its handlers, and before any job."""

    def start(self, worker: Any) -> None:
        install_worker_term_handler(worker, how="Warm", callback=None, exitcode=EX_OK)
        for name in ASKING:
            listen_to(name)


def listen_to(name: str) -> None:
    celerys: Any = signals[name]

    def handler(*args: Any) -> None:
        ask()
        celerys(*args)

    signals[name] = handler
