"""Is there work on files? Beat asks twice a second, so nobody waits for the next tick of `process-attachments`."""

from django.db import connection

from attachments.processing import BELL, QUEUE
from attachments.scanning import SCANNER
from work import bell

# By the clock of the statement, so that the indexes are searched.
IS_DUE = """
    SELECT EXISTS (SELECT 1 FROM attachments_thumbnailing  -- index: thumbnailing_queued
                   WHERE status = 'queued' AND not_before <= statement_timestamp())
        OR EXISTS (SELECT 1 FROM attachments_thumbnailing  -- index: thumbnailing_leased
                   WHERE status = 'leased' AND lease_until < statement_timestamp())
        OR EXISTS (SELECT 1 FROM attachments_scan  -- index: scan_leased
                   WHERE status = 'leased' AND lease_until < statement_timestamp())
        OR EXISTS (SELECT 1 FROM attachments_erasure WHERE not_before <= statement_timestamp())  -- index: erasure_due
        OR (EXISTS (SELECT 1 FROM attachments_scan  -- index: scan_queued
                    WHERE status = 'queued' AND not_before <= statement_timestamp())
            AND NOT EXISTS (SELECT 1 FROM work_breaker WHERE name = %s AND open_until > statement_timestamp()))
"""


def is_work_due() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(IS_DUE, [SCANNER])
        return bool(cursor.fetchone() == (True,))


def is_tick_wanted() -> bool:
    """Whether the caller shall publish a run now. The wake source of `process-attachments`."""
    return is_work_due() and not bell.is_full(QUEUE) and bell.ring_once(BELL)
