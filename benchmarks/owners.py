"""What fairness costs: a claim goes from owner to owner, beside a backlog of so many owners' deliveries."""

from pathlib import Path

from benchmarks.figures import Rows, spread
from benchmarks.growing import OWNERS, grow
from benchmarks.service import Service
from benchmarks.size import ask

BACKLOG = 100_000
STEPS = [10, 1_000, 10_000, 100_000]
QUICK_STEPS = [10, 1_000, 10_000]

QUEUE = """
    UPDATE reminders_delivery
    SET status = 'queued', sent_at = NULL, lease_token = NULL, lease_until = NULL, lease_worker = '',
        not_before = now() - interval '1 hour' + id %% 3600 * interval '1 second',
        recipient_id = %(first)s + id %% %(owners)s
"""

ASKED = {
    "claim": "a claim of 50, ms",
    "wake": "beat's question whether there is work, ms",
    "gauges": "/metrics: what PostgreSQL is asked, ms",
    "rescue": "looking for what a lost worker had, ms",
}


def play(directory: Path, template: Path, *, is_quick: bool) -> Rows:
    steps, backlog = (QUICK_STEPS, BACKLOG // 10) if is_quick else (STEPS, BACKLOG)
    with Service(directory, template=template) as service:
        first = min(service.add_users(max(steps[-1], OWNERS)))
        grow(service, first=1, until=2 * backlog)
        columns = []
        for owners in steps:
            service.sql(QUEUE, {"first": first, "owners": owners})
            service.sql("VACUUM (FULL, ANALYZE) reminders_delivery")
            columns.append(ask(service, "backlog"))
    head = (f"{backlog:,} deliveries are due, of so many owners", *(f"{owners:,}" for owners in steps))
    return [head, *((title, *(spread(column[key]) for column in columns)) for key, title in ASKED.items())]
