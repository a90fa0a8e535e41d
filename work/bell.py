"""Ringing for a job: a message that says "there is work", and nothing else.

Two kinds of restraint keep Redis nearly empty, whatever is due. `ring_once` is for a job of which one run at a time
is enough (the sweep): a row remembers the last ring, and no second message goes out until a worker has answered or
the first must be taken for lost. `ring` is for a job of which many may run (deliver): it counts what waits in the
queue. A ring that fails is not an error, since the work is a row and the next tick rings again.
"""

from datetime import timedelta
from typing import Any

import structlog
from celery import current_app
from django.db.models import F, Q
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from work.failpoints import reached
from work.models import Bell
from work.step import clock, in_

log = structlog.get_logger("work")

LOST_AFTER = timedelta(seconds=10)
"""A ring that nobody answered for so long is rung again: the message may be gone with Redis' data."""

MOST_WAITING = 32

BROKER_TIMEOUT_SECONDS = 2.0

UNREACHABLE = (OperationalError, RedisError, OSError)

RUNG = {"rung": True}
"""Header of messages that a machine sent: nobody waits for their result."""


def ring_once(name: str) -> bool:
    """Take the right to ring for `name` now. One caller of many gets it; False means that a ring is still out."""
    Bell.objects.bulk_create([Bell(name=name)], ignore_conflicts=True)
    lost = Q(rung_at__lt=in_(-LOST_AFTER)) | Q(rung_at__gt=in_(LOST_AFTER))  # the latter: the clock was set back
    free = Q(rung_at=None) | Q(answered_at__gte=F("rung_at")) | lost
    return bool(Bell.objects.filter(free, name=name).update(rung_at=clock()))


def answer(name: str) -> None:
    """A worker has taken the ring."""
    if not Bell.objects.filter(name=name).update(answered_at=clock()):
        Bell.objects.bulk_create([Bell(name=name, answered_at=None)], ignore_conflicts=True)
        Bell.objects.filter(name=name).update(answered_at=clock())


def ring(job: str, *, queue: str, times: int = 1) -> int:
    """Send up to `times` messages for `job`, while fewer than MOST_WAITING wait in its queue; return how many."""
    try:
        with broker() as connection:
            times = max(0, min(times, MOST_WAITING - length(queue, connection)))
            reached("bell ringing", job=job)
            for _ in range(times):
                current_app.send_task(job, queue=queue, connection=connection, headers=RUNG, retry=False)
    except UNREACHABLE as error:
        log.warning("bell not rung", job=job, error=str(error))
        return 0
    return times


def is_full(queue: str) -> bool:
    """Whether so many messages wait there already that another would tell nobody anything. False when nobody knows."""
    try:
        with broker() as connection:
            return length(queue, connection) >= MOST_WAITING
    except UNREACHABLE:
        return False


def broker() -> Any:
    """A connection that gives up soon: whoever rings has better things to do than to wait for a frozen broker.

    Whether Redis takes writes, the ring itself tells.
    """
    options = {"socket_timeout": BROKER_TIMEOUT_SECONDS, "checked_queues": ()}
    return current_app.connection_for_write(transport_options=options)


def length(queue: str, connection: Any) -> int:
    return int(connection.default_channel.client.llen(queue))
