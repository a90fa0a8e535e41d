"""The same at ten million tasks: one database, grown step by step, and what costs the service what at each size.

The statements are timed in a process of Django's (benchmarks/hot.py), the sweep as a whole as well: there, not in a
worker, where a job's own bookkeeping comes on top.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Rows, spread
from benchmarks.growing import OWNERS, grow
from benchmarks.service import Service
from tests.e2e.service import ROOT

STEPS = [10_000, 100_000, 1_000_000, 10_000_000]
QUICK_STEPS = [1_000, 10_000, 100_000]
BURSTS = {"burst": "10,000", "small burst": "1,000"}
JUST_AFTER = "just after"

HOT = {
    "sweep": ("a sweep with nothing to do: its statements", "10 ms, and 1.5 times that of the first size"),
    "sweep, whole": ("the same: the whole function", ""),
    "wake": ("beat's question whether there is work", ""),
    "gauges": ("/metrics: what PostgreSQL is asked", ""),
    "health": ("/healthz/reminders: all checks", ""),
    "dispatch": ("1,000 due reminders become deliveries", ""),
    "claim": ("a claim of 50", ""),
}
SIZES = """
    SELECT pg_database_size(current_database()) / 1e9,
           pg_total_relation_size('taskapp_task') / (SELECT count(*) FROM taskapp_task),
           pg_total_relation_size('reminders_reminder') / (SELECT count(*) FROM reminders_reminder),
           pg_total_relation_size('reminders_delivery') / (SELECT count(*) FROM reminders_delivery)
"""

Figures = dict[str, Any]


def play(directory: Path, template: Path, *, is_quick: bool) -> Rows:
    steps = QUICK_STEPS if is_quick else STEPS
    with Service(directory, template=template) as service:
        service.add_users(OWNERS)
        columns, first = [], 1
        for until in steps:
            began = time.monotonic()
            grow(service, first=first, until=until)
            columns.append(
                {"built": time.monotonic() - began, "sizes": service.sql(SIZES)[0], **ask(service, "idle", "due")}
            )
            first = until + 1
        last = at_last(service, is_quick=is_quick)
    head = ("Tasks", *(f"{step:,}" for step in steps), "Aim")
    return [head, *growing_rows(columns), *last_rows(last, empty=len(steps) - 1)]


def ask(service: Service, *names: str) -> Figures:
    """For as long as it takes: with an old snapshot open that may be minutes."""
    words = f"from benchmarks.hot import measure; measure({', '.join(map(repr, names))})"
    command = [sys.executable, "manage.py", "shell", "-v0", "-c", words]
    done = subprocess.run(command, cwd=ROOT, env=service.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def at_last(service: Service, *, is_quick: bool) -> dict[str, Figures]:
    """What is measured at the largest size alone."""
    last = {"explained": ask(service, "explained"), "pages": ask(service, "pages")}
    first, second = "small burst" if is_quick else "burst", "small burst"
    ask(service, first)
    last[f"{JUST_AFTER} {BURSTS[first]} were sent"] = ask(service, "idle", "due")
    with old_snapshot(service):
        ask(service, second)
        last[f"{JUST_AFTER} {BURSTS[second]} more, with an older snapshot open"] = ask(service, "idle", "due")
    last["prune"] = ask(service, "prune")
    return last


@contextmanager
def old_snapshot(service: Service) -> Iterator[None]:
    """A report, a dump or a forgotten session: what has died since cannot be removed."""
    with service.connect() as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1 FROM reminders_delivery LIMIT 1")
        yield
        other.execute("ROLLBACK")


def growing_rows(columns: list[Figures]) -> Rows:
    def row(title: str, *cells: str, aim: str = "") -> tuple[str, ...]:
        return (title, *cells, aim)

    sizes = [column["sizes"] for column in columns]
    return [
        row("built, indexed and vacuumed in", *(f"{column['built']:.0f} s" for column in columns)),
        row("the database", *(f"{size[0]:.2f} GB" for size in sizes)),
        row("bytes for a task, a reminder, a delivery, with indexes",
            *(", ".join(f"{each:.0f}" for each in size[1:]) for size in sizes)),
        *(row(f"{title}, ms", *(spread(column[key]) for column in columns), aim=aim)
          for key, (title, aim) in HOT.items()),
    ]  # fmt: skip


def last_rows(last: dict[str, Figures], *, empty: int) -> Rows:
    before = [""] * empty
    rows: Rows = []
    for when in (name for name in last if name.startswith(JUST_AFTER)):
        rows += [
            (f"{when}: {title}, ms", *before, spread(last[when][key]), aim)
            for key, (title, aim) in HOT.items() if key in {"sweep", "wake", "gauges", "claim"}
        ]  # fmt: skip
    rows += [(f"{name}, ms", *before, spread(found), "300 ms") for name, found in last["pages"].items()]
    whole = sorted({table for plan in last["explained"]["plans"] for table in plan["read whole"]})
    rows.append(("hot statements that read a big table from end to end", *before, ", ".join(whole) or "none", "none"))
    prune = last["prune"]
    rows.append(("reminders pruned a second, with their deliveries", *before, f"{prune['pruned a second'][0]:,.0f}",
                 "a million in a night"))  # fmt: skip
    rows.append(("the longest statement of that, ms", *before, f"{max(prune['prune']):.0f}", ""))
    return rows
