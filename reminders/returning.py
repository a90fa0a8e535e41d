"""Who can be reached again is told: an account is activated, mail switched on, an address given.

A trigger appends a PersonChange, one row for a person, whatever they have. Here it becomes TaskChanges: of those tasks
alone of which the person was to be told and could not be, a chunk at a time. Planning decides about each.
"""

from django.db import connection

from reminders.still_wanted import IS_UNREACHED

CHUNK = 5_000
MOST_PEOPLE = 1_000
"""Of so many people at once a share of the chunk: nobody waits behind another's hundred thousand."""

# The changes bear the time at which the person could be reached again: what is overdue is judged by that. The status is
# not asked for, as the reasons stand in suppressed rows alone: with it, PostgreSQL prefers the index of all of those,
# and reads what anybody was not told to find one person's.
FAN_OUT_PEOPLE = f"""
    WITH changed AS MATERIALIZED (  -- index: primary key
        SELECT id, person_id, after_delivery_id, at FROM reminders_personchange ORDER BY id LIMIT {MOST_PEOPLE}
    ), share AS MATERIALIZED (
        SELECT greatest(%(limit)s / greatest(count(*), 1), 1) AS size FROM changed
    ), unreached AS MATERIALIZED (  -- index: delivery_unreached
        SELECT changed.id AS change_id, changed.at, delivery.*
        FROM changed CROSS JOIN LATERAL (
            SELECT id, reminder_id, attachment_id FROM reminders_delivery
            WHERE recipient_id = changed.person_id AND id > changed.after_delivery_id AND {IS_UNREACHED}
            ORDER BY id LIMIT (SELECT size FROM share)
        ) AS delivery
    ), come AS MATERIALIZED (
        SELECT changed.id, count(unreached.id) AS count, max(unreached.id) AS last
        FROM changed LEFT JOIN unreached ON unreached.change_id = changed.id
        GROUP BY changed.id
    ), done AS (
        DELETE FROM reminders_personchange USING come, share
        WHERE reminders_personchange.id = come.id AND come.count < share.size
    ), gone_on AS (
        UPDATE reminders_personchange SET after_delivery_id = come.last FROM come, share
        WHERE reminders_personchange.id = come.id AND come.count = share.size
    )
    INSERT INTO reminders_taskchange (task_id, due_at, at)
    SELECT task.id, task.due_at, min(unreached.at)
    FROM unreached
    LEFT JOIN reminders_reminder AS reminder ON reminder.id = unreached.reminder_id
    LEFT JOIN attachments_attachment AS attachment ON attachment.id = unreached.attachment_id
    JOIN taskapp_task AS task ON task.id = coalesce(reminder.task_id, attachment.task_id)
    GROUP BY task.id
"""  # noqa: S608 (constants of this module)


def fan_out_people(*, limit: int = CHUNK) -> None:
    """Turn the next chunk of what people could not be told into TaskChanges; a PersonChange goes with its last."""
    with connection.cursor() as cursor:
        cursor.execute(FAN_OUT_PEOPLE, {"limit": limit})
