"""What has to be written down though PostgreSQL, or the way to it, was lost in the middle."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

Result = TypeVar("Result")

log = structlog.get_logger("work")

DATABASE_LOST = (OperationalError, InterfaceError)
"""What a lost connection raises; also a lock that was waited for too long, and a full disk."""

PAUSE_SECONDS = 0.2


def insist(write: Callable[[], Result], *, until: float) -> Result:
    """Call `write`, and again over a new connection when that fails, until this moment of time.monotonic().

    Whether a statement was carried out whose answer was lost, nobody knows; so `write` must be one that may be carried
    out twice, such as a compare-and-set on a lease. Within a transaction, which is lost with its connection, it is
    called once.
    """
    while True:
        try:
            return write()
        except DATABASE_LOST as error:
            if connection.in_atomic_block or monotonic() + PAUSE_SECONDS >= until:
                raise
            log.warning("not written; trying again", error=str(error))
        connection.close()
        sleep(PAUSE_SECONDS)
