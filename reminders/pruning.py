"""Keeping the tables bounded: what is long over is deleted, a batch at a time, so that no lock is held for long."""

from datetime import timedelta
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef

from reminders.channels.outbox import clear
from reminders.models import Reminder
from taskapp.models import Task
from taskapp.services import prune_idempotency_keys, purge_tombstones

BUDGET_SECONDS = 40.0
BATCH = 1_000

# A reminder goes with its deliveries, once none of them is still to be moved by anybody but a person, and its due date
# or the task itself has been over for long. Index: primary key; reminders are numbered in the order of their making, so
# the oldest are looked at first.
OVER = """
    WITH over AS MATERIALIZED (
        SELECT id FROM reminders_reminder AS reminder
        WHERE id > %(after)s AND created_at < now() - %(history)s AND status <> 'planned'
          AND (due_at < now() - %(history)s OR EXISTS (SELECT 1 FROM taskapp_task AS task
                   WHERE task.id = reminder.task_id AND task.deleted_at < now() - %(history)s))
          AND NOT EXISTS (SELECT 1 FROM reminders_delivery AS delivery
                          WHERE delivery.reminder_id = reminder.id AND delivery.status IN ('queued', 'leased'))
        ORDER BY id LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ), deliveries AS (
        DELETE FROM reminders_delivery USING over WHERE reminder_id = over.id
    )
    DELETE FROM reminders_reminder USING over WHERE reminders_reminder.id = over.id
    RETURNING reminders_reminder.id
"""


def prune(*, history: timedelta, tombstones: timedelta) -> dict[str, int]:
    """Delete reminders whose due date is longer ago than `history`, and tasks deleted longer ago than `tombstones`.

    A deleted task stays, out of sight, while there is a history of its reminders: deleting a task does not erase that.
    """
    return {
        "reminders": prune_reminders(older_than=history),
        "tasks": purge_tasks(older_than=tombstones),
        "keys": prune_idempotency_keys(),
        "mails": clear(settings.OUTBOX_DIR, older_than=history),
    }


def prune_reminders(*, older_than: timedelta) -> int:
    pruned, after, end = 0, 0, monotonic() + BUDGET_SECONDS
    while monotonic() < end:
        parameters: dict[str, Any] = {"after": after, "history": older_than, "limit": BATCH}
        with connection.cursor() as cursor:
            cursor.execute(OVER, parameters)
            ids = [pk for (pk,) in cursor.fetchall()]
        pruned += len(ids)
        if len(ids) < BATCH:
            break
        after = max(ids)
    return pruned


def purge_tasks(*, older_than: timedelta) -> int:
    purged, end = 0, monotonic() + BUDGET_SECONDS
    while monotonic() < end:
        told_of = Exists(Reminder.objects.filter(task=OuterRef("pk")))
        batch = purge_tombstones(older_than=older_than, among=Task.objects.filter(~told_of), limit=BATCH)
        purged += batch
        if batch < BATCH:
            break
    return purged
