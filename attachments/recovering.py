"""What a lost worker had: its stages are queued again, and where their attempts are spent the attachment is told.

Sets, not events: what is found here is found again by the next run, so nothing depends on this one being finished.
"""

from django.db import connection

from attachments.models import Scan, Thumbnailing
from attachments.scanning import lease, patience
from work import breaker
from work.claims import rescue
from work.step import note, step

# Stages that have failed and whose attachments were not told. Locked in the order attachment, stage, as everywhere.
FAILED = """
    WITH lost AS MATERIALIZED (  -- index: <stage>_failed
        SELECT stage.id, stage.attachment_id, stage.reason
        FROM {stage} AS stage JOIN attachments_attachment AS attachment ON attachment.id = stage.attachment_id
        WHERE stage.status = 'failed' AND NOT stage.is_settled
        ORDER BY stage.attachment_id
        FOR NO KEY UPDATE OF attachment, stage SKIP LOCKED
    ), settled AS (
        UPDATE {stage} AS stage SET is_settled = TRUE FROM lost WHERE stage.id = lost.id
    )
    UPDATE attachments_attachment AS attachment SET state = '{state}', reason = {reason}, history = {note}
    FROM lost WHERE attachment.id = lost.attachment_id AND attachment.state IN ({waiting})
"""


def recover() -> int:
    """Queue again what lost workers had, and tell the attachments whose attempts are spent; return how many in all."""
    longest = max(patience().longest, breaker.LONGEST)
    found = 0
    for stage in (Scan, Thumbnailing):
        found += rescue(stage, lease=lease(), patience=patience(), longest_wait=longest)
    return found + fail_lost() + end_lost()


def fail_lost() -> int:
    """Nobody knows whether these are clean."""
    return told(Scan, waiting="'uploaded', 'scanning'", state="failed", reason="lost.reason")


def end_lost() -> int:
    """These are clean and have no thumbnails."""
    return told(Thumbnailing, waiting="'clean'", state="ready", reason="attachment.reason")


def told(stage: type[Scan | Thumbnailing], *, waiting: str, state: str, reason: str) -> int:
    sql = FAILED.format(
        stage=stage._meta.db_table, waiting=waiting, state=state, reason=reason,
        note=note(state, "jsonb_build_object('reason', lost.reason)").replace("history", "attachment.history", 1),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows = int(cursor.rowcount)
    step("attachment", state, rows=rows)
    return rows
