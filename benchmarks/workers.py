"""What more processes of a worker bring on this machine, and what they take from it."""

from pathlib import Path

from benchmarks.delivering import deliver, put_in
from benchmarks.figures import Rows
from benchmarks.service import Service

STEPS = [1, 2, 4, 8]


def play(directory: Path, template: Path, *, is_quick: bool) -> Rows:
    steps, count = (STEPS[:2], 200) if is_quick else (STEPS, 2_000)
    with Service(directory / "service", template=template) as service:
        service.start_sink()
        put_in(service, 2 * len(steps) * count)
        service.start("celery-beat")
        found = [deliver(service, count, WORKER_CONCURRENCY=str(processes)) for processes in steps]
    return [
        ("Processes of one worker", *(str(step) for step in steps)),
        ("e-mails a second", *(f"{each.rate:.0f}" for each in found)),
        ("processor time for each, ms: worker", *(f"{each.worker:.1f}" for each in found)),
        ("PostgreSQL", *(f"{each.postgres:.2f}" for each in found)),
    ]
