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

from work.models import Bell
from work.step import clock, in_

log = structlog.get_logger("work")

LOST_AFTER = timedelta(seconds=10)
"""A ring that nobody answered for so long is rung again: the message may be gone with Redis' data."""

MOST_WAITING = 32

RUNG = {"rung": True}
"""Header of messages that a machine sent: nobody waits for their result."""


def ring_once(name: str) -> bool:
    """Take the right to ring for `name` now. One caller of many gets it; False means that a ring is still out."""
    Bell.objects.bulk_create([Bell(name=name)], ignore_conflicts=True)
    free = Q(rung_at=None) | Q(answered_at__gte=F("rung_at")) | Q(rung_at__lt=in_(-LOST_AFTER))
    return bool(Bell.objects.filter(free, name=name).update(rung_at=clock()))


def answer(name: str) -> None:
    """A worker has taken the ring."""
    if not Bell.objects.filter(name=name).update(answered_at=clock()):
        Bell.objects.bulk_create([Bell(name=name, answered_at=None)], ignore_conflicts=True)
        Bell.objects.filter(name=name).update(answered_at=clock())


def ring(job: str, *, queue: str, times: int = 1) -> int:
    """Send up to `times` messages for `job`, while fewer than MOST_WAITING wait in its queue; return how many."""
    try:
        with current_app.connection_for_write() as broker:
            redis_channel: Any = broker.default_channel
            waiting = redis_channel.client.llen(queue)
            times = max(0, min(times, MOST_WAITING - waiting))
            for _ in range(times):
                current_app.send_task(job, queue=queue, connection=broker, headers=RUNG, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("bell not rung", job=job, error=str(error))
        return 0
    return times
