"""What more processes of a worker bring on this machine, and what they take from it."""

import time
from pathlib import Path

from benchmarks.delivering import deliver
from benchmarks.figures import Rows
from benchmarks.planning import TASKS
from benchmarks.service import Service
from tests.chaos.processes import children, stat_of

STEPS = [1, 2, 4, 8]
CLOCK_TICKS = 100


def play(directory: Path, template: Path, *, is_quick: bool) -> Rows:
    count = 200 if is_quick else 2_000
    rates, shares = [], []
    with Service(directory / "service", template=template) as service:
        service.start_sink()
        owners = service.add_users(1_000)
        service.sql(TASKS, {"owners": owners, "count": len(owners), "number": 2 * len(STEPS) * count})
        service.manage("send_due_soon")
        service.sql("ANALYZE")
        service.start("celery-beat")
        for processes in STEPS:
            before, began = of_postgres(service), time.monotonic()
            rates.append(deliver(service, count, WORKER_CONCURRENCY=str(processes)))
            shares.append((of_postgres(service) - before) / (time.monotonic() - began))
    return [
        ("Processes of one worker", *(str(step) for step in STEPS)),
        ("e-mails a second", *(f"{rate:.0f}" for rate in rates)),
        ("processors that PostgreSQL took, the worker's start included", *(f"{share:.2f}" for share in shares)),
    ]


def of_postgres(service: Service) -> float:
    """Seconds of processor time, of sessions that have ended, too."""
    pid = service.processes["postgres"].pid
    ended = sum(map(int, stat_of(pid)[13:15]))
    return (ended + sum(sum(map(int, stat_of(one)[11:13])) for one in [pid, *children(pid)])) / CLOCK_TICKS
