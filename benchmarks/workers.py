"""What more processes of a worker bring on this machine, and what they take from it."""

from pathlib import Path

from benchmarks.delivering import deliver
from benchmarks.figures import Rows
from benchmarks.planning import TASKS
from benchmarks.service import Service

STEPS = [1, 2, 4, 8]


def play(directory: Path, template: Path, *, is_quick: bool) -> Rows:
    count = 200 if is_quick else 2_000
    rates, costs = [], []
    with Service(directory / "service", template=template) as service:
        service.start_sink()
        owners = service.add_users(1_000)
        service.sql(TASKS, {"owners": owners, "count": len(owners), "number": 2 * len(STEPS) * count})
        service.manage("send_due_soon")
        service.sql("ANALYZE")
        service.start("celery-beat")
        for processes in STEPS:
            delivered = deliver(service, count, WORKER_CONCURRENCY=str(processes))
            rates.append(delivered.rate)
            costs.append(delivered)
    return [
        ("Processes of one worker", *(str(step) for step in STEPS)),
        ("e-mails a second", *(f"{rate:.0f}" for rate in rates)),
        ("processor time for each, ms: worker", *(f"{each.worker:.1f}" for each in costs)),
        ("PostgreSQL", *(f"{each.postgres:.2f}" for each in costs)),
    ]
