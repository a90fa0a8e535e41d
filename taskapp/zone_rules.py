"""A government changes the rules of a zone: the instants of due dates that are not over follow from what was meant.

A chunk of tasks at a time, in the order of their ids: `find` looks, without a lock, and `follow` moves what is still as
it was found. The triggers on tasks count that as a change like any other, so that versions grow and planning looks at
the task again. What was meant is filled in where nobody has yet.
"""

from collections.abc import Sequence
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

# Locked in the order of ids, and compared with all that the new instant was reckoned from. `due_local` is named among
# the columns, so the trigger keeps it (taskapp/migrations/0005_due_local.py).
FOLLOW = """
    WITH given AS (
        SELECT * FROM unnest(%(ids)s::bigint[], %(was)s::timestamptz[], %(now)s::timestamptz[], %(zones)s::text[],
                             %(before)s::text[], %(locals)s::text[]) AS given (id, was, now, zone, before, local)
    ), same AS MATERIALIZED (
        SELECT task.id, given.was, given.now, given.local FROM taskapp_task AS task JOIN given USING (id)
        WHERE task.due_at = given.was AND task.timezone = given.zone AND task.due_local = given.before
        ORDER BY task.id FOR NO KEY UPDATE OF task
    )
    UPDATE taskapp_task AS task SET due_at = same.now, due_local = same.local FROM same WHERE task.id = same.id
    RETURNING task.id, same.was, same.now
"""


class Change(NamedTuple):
    """What is to be written of a task, and what it was reckoned from."""

    task_id: int
    was: datetime
    now: datetime
    zone: str
    before: str
    local: str


class Moved(NamedTuple):
    """A task whose due date has another instant now."""

    task_id: int
    was: datetime
    now: datetime


def find(after: int, *, limit: int = CHUNK) -> tuple[list[Change], int | None]:
    """What is to change of the next tasks behind the id `after`; and the last id looked at, None at the end."""
    with connection.cursor() as cursor:
        cursor.execute(NOT_OVER, {"after": after, "limit": limit})
        rows = cursor.fetchall()
    changes = [change for row in rows if (change := change_of(*row))]
    return changes, rows[-1][0] if len(rows) == limit else None


def change_of(pk: int, due_at: datetime, local: str, zone: str, all_day: bool, now: datetime) -> Change | None:
    """None if all is well, or over."""
    meant = local or local_under_older_rules(due_at, zone, all_day=all_day)
    right = instant_by_rules(meant, due_at, zone)
    if max(due_at, right) <= now or (right == due_at and local):
        return None
    return Change(pk, due_at, right, zone, local, meant)


def follow(changes: Sequence[Change]) -> list[Moved]:
    """Write the changes of tasks that nobody has changed meanwhile, within a transaction; return which moved."""
    if not changes:
        return []
    ids, was, now, zones, before, locals_ = map(list, zip(*changes, strict=True))
    parameters = {"ids": ids, "was": was, "now": now, "zones": zones, "before": before, "locals": locals_}
    with connection.cursor() as cursor:
        cursor.execute(FOLLOW, parameters)
        rows = [Moved._make(row) for row in cursor.fetchall()]
    return [row for row in rows if row.was != row.now]
