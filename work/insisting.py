"""What has to be written down though PostgreSQL, or the way to it, was lost in the middle."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

Result = TypeVar("Result")

log = structlog.get_logger("work")

DATABASE_AWAY = (OperationalError, InterfaceError)
"""What a lost connection raises, and each state of the server in which it cannot do what is asked, such as that of a
standby or of one whose disk is full (config/postgresql/states.py)."""

PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 2.0

LONGEST_SECONDS = 30.0
"""However long the lease is: a job may last for 100 s (CELERY_TASK_SOFT_TIME_LIMIT)."""


def insist(write: Callable[[], Result], *, until: float) -> Result:
    """Call `write`; if that fails, again over a new connection, at least once and until this time.monotonic().

    Whether a statement was carried out whose answer was lost, nobody knows; so `write` must be one that may be carried
    out twice, such as a compare-and-set on a lease. Within a transaction, which is lost with its connection, it is
    called once.
    """
    until = min(until, monotonic() + LONGEST_SECONDS)
    pause, is_last = PAUSE_SECONDS, False
    while True:
        try:
            return write()
        except DATABASE_AWAY as error:
            if connection.in_atomic_block or is_last:
                raise
            log.warning("not written; trying again", error=str(error))
        connection.close()
        sleep(pause)
        pause, is_last = min(2 * pause, LONGEST_PAUSE_SECONDS), monotonic() >= until
