"""Files of tasks that can no longer be restored go, and in time the rows of what was deleted.

What is quarantined stays, with its task, until an administrator has decided: it is theirs to delete.
"""

from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from attachments.models import Attachment
from attachments.receiving import clear_abandoned
from work.step import note, step

BATCH = 1_000

QUARANTINED = ", ".join(f"'{state}'" for state in Attachment.QUARANTINED)

# Indexes: task_tombstone, attachment_task.
OF_DELETED_TASKS = f"""
    WITH over AS MATERIALIZED (
        SELECT attachment.id
        FROM taskapp_task AS task JOIN attachments_attachment AS attachment ON attachment.task_id = task.id
        WHERE task.deleted_at < statement_timestamp() - %(tombstones)s AND attachment.deleted_at IS NULL
          AND attachment.state NOT IN ({QUARANTINED})
        LIMIT %(limit)s
        FOR NO KEY UPDATE OF task, attachment SKIP LOCKED
    )
    UPDATE attachments_attachment AS attachment
    SET deleted_at = clock_timestamp(), history = {note("deleted", "jsonb_build_object('by', 'its task')")}
    FROM over WHERE attachment.id = over.id
"""  # noqa: S608 (constants of ours)


def prune(*, history: timedelta, tombstones: timedelta) -> dict[str, int]:
    """Let the files go of tasks that were deleted longer ago than `tombstones`, and the rows of what was deleted longer
    ago than `history`. Returns {"attachments", "rows", "uploads"}."""
    return {
        "attachments": delete_with_their_tasks(tombstones=tombstones),
        "rows": delete_rows(older_than=history),
        "uploads": clear_abandoned(),
    }


def delete_with_their_tasks(*, tombstones: timedelta) -> int:
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            parameters: dict[str, Any] = {"tombstones": tombstones, "limit": BATCH}
            cursor.execute(OF_DELETED_TASKS, parameters)
            rows = int(cursor.rowcount)
        step("attachment", "deleted", rows=rows)
        deleted += rows
        if rows < BATCH:
            return deleted


def delete_rows(*, older_than: timedelta) -> int:
    """Index: attachment_tombstone."""
    old = Attachment.objects.filter(deleted_at__lt=Now() - older_than).order_by("deleted_at")
    deleted = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH]):
        Attachment.objects.filter(pk__in=ids).delete()
        deleted += len(ids)
    return deleted
