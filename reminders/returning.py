"""Who can be reached again is told: an account is activated, mail switched on, an address given.

A trigger appends a PersonChange, one row for a person, whatever they have. Here it becomes TaskChanges: of those tasks
alone of which the person was to be told and could not be, a chunk at a time. Planning decides about each.

Who switches their mail off and on appends a row each time. A person's turn is one all the same: of their rows the
oldest is worked off, and those that it covers are deleted. It covers a newer one if it has come no further, since it
finds what that one would. It keeps its place in the queue, and the time at which the person came back first.
"""

from django.db import connection

from reminders.still_wanted import IS_UNREACHED

CHUNK = 5_000
MOST_PEOPLE = 1_000
"""Of so many people at once a share of the chunk: nobody waits behind another's hundred thousand."""
MOST_CHANGES = 20_000
"""So many rows are looked at at once, so that a chunk does not cost more the longer the queue is."""

# The changes bear the time at which the person could be reached again: what is overdue is judged by that. The status is
# not asked for, as the reasons stand in suppressed rows alone: with it, PostgreSQL prefers the index of all of those,
# and reads what anybody was not told to find one person's.
FAN_OUT_PEOPLE = f"""
    WITH first AS (  -- index: primary key
        SELECT id, person_id, after_delivery_id, at FROM reminders_personchange ORDER BY id LIMIT {MOST_CHANGES}
    ), ranked AS MATERIALIZED (
        SELECT first.*, row_number() OVER person AS place,
            min(after_delivery_id) OVER (person ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS covered_after
        FROM first WINDOW person AS (PARTITION BY person_id ORDER BY id)
    ), covered AS (
        DELETE FROM reminders_personchange USING ranked
        WHERE reminders_personchange.id = ranked.id AND ranked.covered_after <= ranked.after_delivery_id
    ), changed AS MATERIALIZED (
        SELECT id, person_id, after_delivery_id, at FROM ranked WHERE place = 1 ORDER BY id LIMIT {MOST_PEOPLE}
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
