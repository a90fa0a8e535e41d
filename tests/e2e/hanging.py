"""The service's Celery application, with jobs and commands that hang: `celery -A tests.e2e.hanging worker`."""

from pathlib import Path
from threading import Event
from typing import Any

from celery.utils.log import get_logger
from celery.worker.control import control_command

from config.celery import app
from tests.waiting import eventually

__all__ = ["app"]

log = get_logger(__name__)


@control_command()
def hang(state: Any) -> None:
    """Let the worker's main thread wait for something that never comes."""
    log.warning("hanging")
    Event().wait()


@app.task(name="tests.run_until")
def run_until(path: str) -> None:
    """Run for as long as there is no such file."""
    eventually(Path(path).exists, within=100)
