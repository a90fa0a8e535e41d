"""Sweep 2: reminders whose moment has come become deliveries, one per recipient and channel."""

from django.db import connection

from work.step import note, step

BATCH = 5_000

# By the time of the statement, with which the index can be searched; clock_timestamp() would be compared with every
# reminder that is planned.
DISPATCH = f"""
    WITH batch AS MATERIALIZED (  -- index: reminder_planned
        SELECT id FROM reminders_reminder
        WHERE status = 'planned' AND remind_at <= statement_timestamp()
        ORDER BY remind_at, id LIMIT %s
        FOR NO KEY UPDATE SKIP LOCKED
    ), dispatched AS (
        UPDATE reminders_reminder AS reminder
        SET status = 'dispatched', history = {note("dispatched")}
        FROM batch WHERE reminder.id = batch.id
        RETURNING reminder.id, reminder.task_id, reminder.remind_at
    )
    INSERT INTO reminders_delivery (reminder_id, recipient_id, channel, status, not_before, history)
    SELECT dispatched.id, task.owner_id, 'email', 'queued', dispatched.remind_at, work_note('[]', 'queued', '{{}}')
    FROM dispatched JOIN taskapp_task AS task ON task.id = dispatched.task_id
    ORDER BY dispatched.remind_at, dispatched.id
    ON CONFLICT (reminder_id, recipient_id, channel) DO NOTHING
"""  # noqa: S608 (constants of this module)


def dispatch(*, limit: int = BATCH) -> dict[str, int]:
    """Turn up to `limit` due reminders into queued deliveries, in one statement; return {"dispatched": how many}."""
    with connection.cursor() as cursor:
        cursor.execute(DISPATCH, [limit])
        queued = int(cursor.rowcount)
    step("delivery", "queued", rows=queued)
    return {"dispatched": queued}
