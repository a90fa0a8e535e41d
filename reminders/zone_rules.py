"""A government changes the rules of a zone: reminders follow their tasks' due dates, and nothing is told again.

A reminder is about the due date that was meant, so it moves along with the instant, in the transaction that moves the
task, and so does a change that waits for planning. What was told of it stays told; what is planned is moved by
planning, which the change of the task calls.
"""

from collections.abc import Sequence

from django.db import OperationalError, connection, transaction

from reminders.planning import hold_planning
from reminders.sweep import CROSSED
from taskapp.zone_rules import Change, Moved, find, follow
from work.step import note, step

MOST_TRIES = 5

# Where the due date has been at the new instant before, by a person's hand, the rounds go on from there.
# Index: reminder_unique_task_rule_due_round.
REMINDERS = f"""
    UPDATE reminders_reminder AS reminder
    SET due_at = moved.now,
        round = reminder.round + (
            SELECT coalesce(max(other.round), 0) FROM reminders_reminder AS other
            WHERE other.task_id = reminder.task_id AND other.rule_id = reminder.rule_id AND other.due_at = moved.now),
        history = {note("zone rules changed", "jsonb_build_object('due_at', moved.now, 'was', moved.was)")}
    FROM unnest(%(ids)s::bigint[], %(was)s::timestamptz[], %(now)s::timestamptz[]) AS moved (task_id, was, now)
    WHERE reminder.task_id = moved.task_id AND reminder.due_at = moved.was
"""  # noqa: S608 (a constant)

# When the due date was set: else one that the new rules put into the past, and that nobody has planned yet, would count
# as past when it was set.
WAITING = """
    UPDATE reminders_taskchange AS change SET due_at = moved.now
    FROM unnest(%(ids)s::bigint[], %(was)s::timestamptz[], %(now)s::timestamptz[]) AS moved (task_id, was, now)
    WHERE change.task_id = moved.task_id AND change.due_at = moved.was
"""


def follow_zone_rules() -> int:
    """Reckon all due dates that are not over by the rules of today; return how many tasks moved.

    Safe to be ended anywhere and run again. Planning leaves the field to each chunk, so it never sees a task without
    its reminders.
    """
    count, after = 0, 0
    while True:
        changes, last = find(after)
        count += move(changes)
        if last is None:
            return count
        after = last


def move(changes: Sequence[Change]) -> int:
    """Again for as long as other transactions cross this one, a few times."""
    for tries_left in reversed(range(MOST_TRIES)):
        try:
            with transaction.atomic():
                hold_planning()
                moved = follow(changes)
                move_reminders(moved)
        except OperationalError as error:
            if not tries_left or getattr(error.__cause__, "sqlstate", None) not in CROSSED:
                raise
        else:
            return len(moved)
    raise AssertionError("the last try returns or raises")


def move_reminders(moved: Sequence[Moved]) -> None:
    if not moved:
        return
    ids, was, now = map(list, zip(*moved, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(WAITING, {"ids": ids, "was": was, "now": now})
        cursor.execute(REMINDERS, {"ids": ids, "was": was, "now": now})
        step("reminder", "zone rules changed", rows=cursor.rowcount)
