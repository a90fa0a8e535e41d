"""A government changes the rules of a zone: the instants of due dates that are not over follow from what was meant.

A chunk of tasks at a time, in the order of their ids. Only `due_at` changes; the triggers on tasks count that as a
change like any other, so that versions grow and planning looks at the task again.
"""

from datetime import datetime
from typing import NamedTuple

from django.db import connection

from taskapp.dates import instant_by_rules, local_under_older_rules

CHUNK = 5_000

# A day more than what is not over: the instant that was right may be later than the one that is stored.
# Index: primary key; this is a walk through all tasks, once for each version of the rules.
NOT_OVER = """
    SELECT id, due_at, due_local, timezone, all_day, clock_timestamp() FROM taskapp_task
    WHERE id > %(after)s AND due_at > clock_timestamp() - interval '1 day'
    ORDER BY id LIMIT %(limit)s
"""

# `due_local` is named among the columns, so the trigger keeps it (taskapp/migrations/0005_due_local.py).
FOLLOW = """
    UPDATE taskapp_task AS task SET due_at = given.now, due_local = given.local
    FROM unnest(%(ids)s::bigint[], %(was)s::timestamptz[], %(now)s::timestamptz[], %(locals)s::text[])
         AS given (id, was, now, local)
    WHERE task.id = given.id AND task.due_at = given.was
    RETURNING task.id, given.was, given.now
"""


class Moved(NamedTuple):
    """A task whose due date has another instant now."""

    task_id: int
    was: datetime
    now: datetime


def follow_rules(after: int, *, limit: int = CHUNK) -> tuple[list[Moved], int | None]:
    """Reckon the due dates of the next tasks behind the id `after` anew.

    Returns which moved, and the last id that was looked at: None at the end.
    """
    with connection.cursor() as cursor:
        cursor.execute(NOT_OVER, {"after": after, "limit": limit})
        rows = cursor.fetchall()
        changes = [change for row in rows if (change := changed(*row))]
        if changes:
            ids, was, now, locals_ = zip(*changes, strict=True)
            cursor.execute(FOLLOW, {"ids": list(ids), "was": list(was), "now": list(now), "locals": list(locals_)})
            moved = [Moved._make(row) for row in cursor.fetchall()]
        else:
            moved = []
    return [each for each in moved if each.was != each.now], rows[-1][0] if len(rows) == limit else None


def changed(
    pk: int, due_at: datetime, local: str, zone: str, all_day: bool, now: datetime
) -> tuple[int, datetime, datetime, str] | None:
    """What is to be written of one task: id, old and new instant, what was meant; None if all is well or over."""
    meant = local or local_under_older_rules(due_at, zone, all_day=all_day)
    right = instant_by_rules(meant, due_at, zone)
    if max(due_at, right) <= now or (right == due_at and local):
        return None
    return pk, due_at, right, meant
