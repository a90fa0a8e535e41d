"""A government changes the rules of a zone: reminders follow their tasks' due dates, and nothing is told again.

A reminder is about the due date that was meant, so it moves along with the instant, in the transaction that moves the
task. What was told of it stays told; what is planned is moved by planning, which the change of the task calls.
"""

from collections.abc import Sequence
from typing import cast

from django.db import connection, transaction

from reminders.planning import hold_planning
from taskapp.zone_rules import Moved, follow_rules
from work.step import note, step

# Where the due date has been at the new instant before, by a person's hand, the rounds go on from there.
# Index: reminder_unique_task_rule_due_round.
FOLLOW = f"""
    UPDATE reminders_reminder AS reminder
    SET due_at = moved.now,
        round = reminder.round + (
            SELECT coalesce(max(other.round), 0) FROM reminders_reminder AS other
            WHERE other.task_id = reminder.task_id AND other.rule_id = reminder.rule_id AND other.due_at = moved.now),
        history = {note("zone rules changed", "jsonb_build_object('due_at', moved.now, 'was', moved.was)")}
    FROM unnest(%(ids)s::bigint[], %(was)s::timestamptz[], %(now)s::timestamptz[]) AS moved (task_id, was, now)
    WHERE reminder.task_id = moved.task_id AND reminder.due_at = moved.was
"""  # noqa: S608 (a constant)


def follow_zone_rules() -> int:
    """Reckon all due dates that are not over by the rules of today; return how many tasks moved.

    Safe to be ended anywhere and run again. Planning waits for each chunk, so it never sees a task without its
    reminders.
    """
    count, after = 0, cast("int | None", 0)
    while after is not None:
        with transaction.atomic():
            hold_planning()
            moved, after = follow_rules(after)
            move_reminders(moved)
        count += len(moved)
    return count


def move_reminders(moved: Sequence[Moved]) -> None:
    if not moved:
        return
    ids, was, now = zip(*moved, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(FOLLOW, {"ids": list(ids), "was": list(was), "now": list(now)})
        step("reminder", "zone rules changed", rows=cursor.rowcount)
