"""Files that are to go: what was never adopted, and what lost its row (attachments/files.py).

Erasing twice is as good as once, so a lease is not needed: an erasure is pushed back before the file is touched, and
deleted after it. Whoever dies in between leaves it to the next.
"""

from datetime import timedelta
from time import monotonic
from typing import Any

from django.db import connection

from attachments import files
from attachments.models import Erasure
from work.failpoints import reached
from work.step import step

BATCH = 100
AGAIN_AFTER = timedelta(minutes=1)
LONGEST = timedelta(hours=1)

LONGEST_RUN_SECONDS = 10.0
"""A storage that does not answer holds each file up; the rest is taken again later, and scans get their turn."""

# What is further off than any wait was written by a clock that was set back since.
TAKE = """
    WITH due AS MATERIALIZED (  -- index: erasure_due
        SELECT key FROM attachments_erasure
        WHERE not_before <= statement_timestamp() OR not_before > statement_timestamp() + 2 * %(longest)s
        ORDER BY not_before LIMIT %(limit)s
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE attachments_erasure AS erasure
    SET attempts = attempts + 1,
        not_before = clock_timestamp() + least(%(again_after)s * 2 ^ least(attempts, 20), %(longest)s)
    FROM due WHERE erasure.key = due.key
    RETURNING erasure.key
"""


def erase(*, limit: int = BATCH) -> int:
    """Delete up to so many files that are to go; return how many there were."""
    parameters: dict[str, Any] = {"limit": limit, "again_after": AGAIN_AFTER, "longest": LONGEST}
    with connection.cursor() as cursor:
        cursor.execute(TAKE, parameters)
        keys = [key for (key,) in cursor.fetchall()]
    step("file", "erasing", rows=len(keys))
    until = monotonic() + LONGEST_RUN_SECONDS
    erased = [key for key in keys if monotonic() < until and is_erased(key)]
    Erasure.objects.filter(key__in=erased).delete()
    step("file", "erased", rows=len(erased))
    return len(keys)


def is_erased(key: str) -> bool:
    """Delete the file; False, with the reason in its row, if the storage will not."""
    try:
        files.delete(key)
    except files.StorageError as error:
        Erasure.objects.filter(key=key).update(reason=str(error))
        return False
    reached("file deleted")
    return True
