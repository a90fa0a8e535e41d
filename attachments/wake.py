"""Is there work on files? Beat asks twice a second, so nobody waits for the next tick of `process-attachments`."""

from django.db import connection

from attachments.processing import BELL, QUEUE
from attachments.scanning import SCANNER
from work import bell

# By the clock of the statement, and by the first of each index: asked whether there is one, PostgreSQL may read a whole
# table in the hope of meeting it soon.
IS_DUE = """
    SELECT least(
        (SELECT min(not_before) FROM attachments_thumbnailing WHERE status = 'queued'),   -- index: thumbnailing_queued
        (SELECT min(lease_until) FROM attachments_thumbnailing WHERE status = 'leased'),  -- index: thumbnailing_leased
        (SELECT min(lease_until) FROM attachments_scan WHERE status = 'leased'),          -- index: scan_leased
        (SELECT min(not_before) FROM attachments_erasure),                                -- index: erasure_due
        (SELECT greatest(min(not_before), (SELECT open_until FROM work_breaker WHERE name = %s))
           FROM attachments_scan WHERE status = 'queued')                                 -- index: scan_queued
    ) <= statement_timestamp()
"""


def is_work_due() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(IS_DUE, [SCANNER])
        return bool(cursor.fetchone() == (True,))


def is_tick_wanted() -> bool:
    """Whether the caller shall publish a run now. The wake source of `process-attachments`."""
    return is_work_due() and not bell.is_full(QUEUE) and bell.ring_once(BELL)
