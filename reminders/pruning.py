"""Keeping the tables bounded: what is long over is deleted, a batch at a time, so that no lock is held for long.

A run takes a few seconds. What it leaves, be it a million reminders, is left to the next, for which beat rings as soon
as this one has ended: the right to ring is a row (work/bell.py), so it outlives worker and broker.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef

from attachments.models import Attachment
from reminders.channels.outbox import clear
from reminders.models import Reminder
from reminders.wake import SWEEP_QUEUE
from taskapp.models import Task
from taskapp.services import prune_idempotency_keys, purge_tombstones
from work import bell
from work.models import Bell

BUDGET_SECONDS = 5.0
"""A run ends after so long, for sweeps wait for its worker; `is_more_wanted` has the next one published at once."""

BATCH = 1_000

# A reminder goes with its deliveries, once none of them is still to be moved by anybody but a person, and its due date
# has been over for long. Index: reminder_over, from where the last batch has ended: what stays is looked at once in a
# run, and what is younger not at all.
OVER = """
    SELECT id, greatest(due_at, created_at) AS age FROM reminders_reminder AS reminder
    WHERE status <> 'planned' AND greatest(due_at, created_at) < statement_timestamp() - %(history)s
      AND (greatest(due_at, created_at), id) > (%(after)s::timestamptz, %(after_id)s)
      AND {is_settled}
    ORDER BY greatest(due_at, created_at), id LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
"""

# Or the task itself has been deleted for long, whenever it would have been due. Indexes: task_tombstone,
# reminder_unique_task_rule_due_round. What goes here does not come again, nor does its task.
OF_DELETED_TASKS = """
    SELECT reminder.id, task.deleted_at AS age
    FROM taskapp_task AS task JOIN reminders_reminder AS reminder ON reminder.task_id = task.id
    WHERE task.deleted_at < statement_timestamp() - %(history)s
      AND reminder.status <> 'planned' AND reminder.created_at < statement_timestamp() - %(history)s
      AND (task.deleted_at, reminder.id) > (%(after)s::timestamptz, %(after_id)s)
      AND {is_settled}
    ORDER BY task.deleted_at, reminder.id LIMIT %(limit)s
    FOR UPDATE OF reminder SKIP LOCKED
"""

# Index: delivery_unique_reminder_recipient_channel. An aggregate is looked up for each reminder, while NOT EXISTS would
# be a join, for which PostgreSQL reads all deliveries.
IS_SETTLED = """(
          SELECT coalesce(bool_and(delivery.status NOT IN ('queued', 'leased')), TRUE)
          FROM reminders_delivery AS delivery WHERE delivery.reminder_id = reminder.id)"""

# The deliveries go by their foreign key.
DELETE = """
    WITH over AS MATERIALIZED ({over})
    DELETE FROM reminders_reminder USING over WHERE reminders_reminder.id = over.id
    RETURNING over.age, over.id
"""


MORE = "reminders.prune"
"""The bell that is there while a run has left something to the next."""


def prune(*, history: timedelta, tombstones: timedelta) -> dict[str, int]:
    """Delete reminders whose due date is longer ago than `history`, and tasks deleted longer ago than `tombstones`.

    A deleted task stays, out of sight, while there is a history of its reminders, which deleting a task does not erase,
    and while a file of it is quarantined.
    """
    end = monotonic() + BUDGET_SECONDS
    counts = {
        "reminders": sum(prune_reminders(over, older_than=history, end=end) for over in (OVER, OF_DELETED_TASKS)),
        "tasks": in_batches(partial(purge_untold_tasks, older_than=tombstones), end=end),
        "keys": in_batches(partial(prune_idempotency_keys, limit=BATCH), end=end),
        "mails": clear(settings.OUTBOX_DIR, older_than=history),
    }
    if monotonic() < end:
        Bell.objects.filter(name=MORE).delete()
    else:
        bell.answer(MORE)
    return counts


def is_more_wanted() -> bool:
    """Whether the caller shall publish another run now. The wake source of `prune-reminders`."""
    return Bell.objects.filter(name=MORE).exists() and not bell.is_full(SWEEP_QUEUE) and bell.ring_once(MORE)


def prune_reminders(over: str, *, older_than: timedelta, end: float) -> int:
    pruned, after, after_id = 0, "-infinity", 0
    while monotonic() < end:
        parameters: dict[str, Any] = {"history": older_than, "after": after, "after_id": after_id, "limit": BATCH}
        with connection.cursor() as cursor:
            cursor.execute(DELETE.format(over=over.format(is_settled=IS_SETTLED)), parameters)
            rows = cursor.fetchall()
        pruned += len(rows)
        if len(rows) < BATCH:
            break
        after, after_id = max(rows)
    return pruned


def purge_untold_tasks(*, older_than: timedelta) -> int:
    """Of neither reminders nor quarantined files, which an administrator has still to decide on."""
    told_of = Exists(Reminder.objects.filter(task=OuterRef("pk")))
    quarantined = Attachment.objects.stored().filter(task=OuterRef("pk"), state__in=Attachment.QUARANTINED)
    among = Task.objects.filter(~told_of, ~Exists(quarantined))
    return purge_tombstones(older_than=older_than, among=among, limit=BATCH)


def in_batches(delete: Callable[[], int], *, end: float) -> int:
    """Call `delete`, which deletes up to BATCH, until nothing is left for it or it is too late; return how many."""
    deleted = 0
    while monotonic() < end:
        batch = delete()
        deleted += batch
        if batch < BATCH:
            break
    return deleted
