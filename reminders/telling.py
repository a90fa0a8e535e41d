"""Sweep 3: the owners of infected files are told, by a delivery like any other.

Attachments know nothing of reminders. What they leave is a mark, `is_untold`, until there is a delivery; so a scan that
ends while no sweep runs, or whose worker dies the moment after, is told of all the same. A message that was suppressed,
because the file was scanned again at that moment, is queued again when that scan finds a virus, too.
"""

from django.db import connection

from reminders.planning import PLANNERS_LOCK
from work.step import note, step

BATCH = 1_000

QUEUED_AGAIN = note("queued again").replace("history", "reminders_delivery.history", 1)

TELL = f"""
    WITH free AS MATERIALIZED (  -- beside planning and the deletion of a user, which lock deliveries first
        SELECT pg_try_advisory_xact_lock({PLANNERS_LOCK}) AS is_ours
    ), untold AS MATERIALIZED (  -- index: attachment_untold
        SELECT id FROM attachments_attachment
        WHERE is_untold AND (SELECT is_ours FROM free)
        ORDER BY id LIMIT %s
        FOR NO KEY UPDATE SKIP LOCKED
    ), told AS (
        UPDATE attachments_attachment AS attachment
        SET is_untold = FALSE, history = {note("owner told")}
        FROM untold WHERE attachment.id = untold.id
        RETURNING attachment.id, attachment.task_id
    )
    INSERT INTO reminders_delivery (attachment_id, recipient_id, channel, status, history)
    SELECT told.id, task.owner_id, 'email', 'queued', work_note('[]', 'queued', '{{}}')
    FROM told JOIN taskapp_task AS task ON task.id = told.task_id
    ON CONFLICT (attachment_id, recipient_id, channel) WHERE attachment_id IS NOT NULL DO UPDATE
    SET status = 'queued', reason = '', not_before = clock_timestamp(), history = {QUEUED_AGAIN}
    WHERE reminders_delivery.status = 'suppressed'
"""  # noqa: S608 (constants of this module)


def tell(*, limit: int = BATCH) -> dict[str, int]:
    """Queue a message for each infected file of which nobody was told; return {"told": how many}."""
    with connection.cursor() as cursor:
        cursor.execute(TELL, [limit])
        queued = int(cursor.rowcount)
    step("delivery", "queued", rows=queued)
    return {"told": queued}
