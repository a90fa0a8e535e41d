"""The service's Celery application with a job that notes each of its starts: `celery -A benchmarks.noting worker`."""

import os
import select
import time
from typing import Any

from config.celery import app

__all__ = ["app"]

if "FAKETIME_TIMESTAMP_FILE" in os.environ:
    # Python sleeps until a moment, and libfaketime makes that one that does not exist.
    time.sleep = lambda seconds: select.select([], [], [], seconds) and None


@app.task(name="benchmarks.note", bind=True, ignore_result=True)
def note(self: Any, schedule: str) -> None:
    """One line for each start, in one write, so that lines do not mix."""
    line = f"{time.time():.6f} {schedule} {self.request.id}\n"
    file = os.open(os.environ["BENCHMARK_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
