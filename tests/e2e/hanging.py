"""The service's Celery application, with jobs and commands that hang: `celery -A tests.e2e.hanging worker`.

A run is held for a quarter of the time for which it is in production, so that the tests wait for the end of a lease for
seconds and not for half a minute.
"""

import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import beat_init, worker_init
from celery.utils.log import get_logger
from celery.worker.control import control_command

from config.celery import app
from tests.waiting import eventually

__all__ = ["app"]

QUICKER = 4


@beat_init.connect
@worker_init.connect
def hold_runs_for_less(**_: Any) -> None:
    """Once Django is set up, which it is not when this module is imported."""
    taking, runs = import_module("schedules.taking"), import_module("schedules.runs")
    taking.LEASE /= QUICKER
    taking.RENEW_EVERY_SECONDS /= QUICKER
    runs.LOOK_AGAIN /= QUICKER
    runs.DOUBT /= QUICKER


log = get_logger(__name__)


@control_command()
def hang(state: Any) -> None:
    """Let the worker's main thread wait for something that never comes."""
    log.warning("hanging")
    Event().wait()


@app.task(bind=True, name="tests.write_down")
def write_down(self: Any, path: str) -> None:
    """Add a line with the job's id to a file."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{self.request.id}\n".encode())
    os.close(file)


@app.task(name="tests.run_too_long", soft_time_limit=1, time_limit=2)
def run_too_long(path: str) -> None:
    """Ignore the soft limit, so that the hard one kills the child."""
    with suppress(SoftTimeLimitExceeded):
        Event().wait(100)
    Event().wait(100)


@app.task(name="tests.run_until")
def run_until(path: str) -> None:
    """Run for as long as there is no such file."""
    eventually(Path(path).exists, within=100)
