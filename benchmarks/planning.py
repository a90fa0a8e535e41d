"""Planning and dispatching, beside the bare SQL that writes the same rows."""

import json
from pathlib import Path
from statistics import median

from benchmarks.figures import Rows, spread
from benchmarks.service import Service

TASKS = """
    INSERT INTO taskapp_task (owner_id, title, due_at, timezone, priority)
    SELECT (%(owners)s::int[])[1 + n %% %(count)s], 'task ' || n, now() + interval '3 hours' + n * interval '1 ms',
           'UTC', 'medium'
    FROM generate_series(1, %(number)s) AS n
"""

# Under the same constraints and indexes: what planning and dispatching leave behind of each task.
BARE = (
    """
    INSERT INTO reminders_reminder
        (task_id, rule_id, kind, due_at, round, remind_at, created_at, status, reason, history)
    SELECT task.id, rule.id, rule.kind, task.due_at, 1, task.due_at + rule."offset", now(), 'dispatched', '',
           work_note('[]', 'planned', jsonb_build_object('remind_at', task.due_at + rule."offset"))
               || work_note('[]', 'dispatched', '{}')
    FROM taskapp_task AS task CROSS JOIN reminders_reminderrule AS rule ORDER BY task.id
    """,
    """
    INSERT INTO reminders_delivery (reminder_id, recipient_id, channel, status, not_before, history)
    SELECT reminder.id, task.owner_id, 'email', 'queued', reminder.remind_at, work_note('[]', 'queued', '{}')
    FROM reminders_reminder AS reminder JOIN taskapp_task AS task ON task.id = reminder.task_id ORDER BY reminder.id
    """,
    "DELETE FROM reminders_taskchange",
)

# Seconds of each part, in a process of the service; a sweep's own loop, without the ringing.
OURS = """
import json, time
from reminders import planning
from reminders.dispatching import dispatch
began = time.perf_counter()
while planning.plan()["changes"]:
    pass
planned = time.perf_counter()
while dispatch()["dispatched"]:
    pass
print(json.dumps([planned - began, time.perf_counter() - planned]))
"""
BARE_RUN = """
import json, sys, time
from django.db import connection
began = time.perf_counter()
with connection.cursor() as cursor:
    for sql in {statements!r}:
        cursor.execute(sql)
print(json.dumps(time.perf_counter() - began))
"""


def play(directory: Path, template: Path, *, is_quick: bool) -> Rows:
    """The two take turns, each on a fresh copy."""
    number, rounds = (20_000, 1) if is_quick else (100_000, 3)
    ours, planned, dispatched, bare = [], [], [], []
    for one in range(rounds):
        planning, dispatching = run(directory / f"ours-{one}", template, OURS, number)
        limit = run(directory / f"bare-{one}", template, BARE_RUN.format(statements=BARE), number)
        planned.append(number / planning)
        dispatched.append(number / dispatching)
        ours.append(number / (planning + dispatching))
        bare.append(number / limit)
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    sizes = [500, 2_000, 5_000] if is_quick else [1_000, 10_000, 30_000]
    seconds = {size: sum(run(directory / f"of-{size}", template, OURS, size)) for size in sizes}
    seconds[number] = number / median(ours)
    return [
        (f"{number:,} newly due reminders, {rounds} runs", "Reminders a second"),
        ("planned (changes taken, reminders written)", spread(planned, ",.0f")),
        ("dispatched (deliveries written)", spread(dispatched, ",.0f")),
        ("both", spread(ours, ",.0f")),
        ("limit: the bare SQL that writes the same rows, two statements for all", spread(bare, ",.0f")),
        ("**ratio** (aim: 0.7)", f"**{spread(ratios)}**"),
        (
            f"seconds for {', '.join(f'{size:,}' for size in seconds)}",
            ", ".join(f"{each:.2f}" for each in seconds.values()),
        ),
    ]


def run(directory: Path, template: Path, code: str, number: int):
    """What the code printed, with so many tasks whose reminder is due at once."""
    with Service(directory, template=template) as service:
        owners = service.add_users(1_000)
        service.sql(TASKS, {"owners": owners, "count": len(owners), "number": number})
        service.sql("ANALYZE taskapp_task")
        return json.loads(service.manage("shell", "-v0", stdin=code))
