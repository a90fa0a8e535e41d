"""A breaker per transport: after a connection that failed, nothing is tried until a probe is due.

What it parks stays queued and untouched, so an outage of the mail server costs no delivery an attempt.
"""

from datetime import timedelta

from django.db.models import F, Q

from work.backoff import delay_after
from work.models import Breaker
from work.step import clock, in_, step

FIRST_PROBE = timedelta(seconds=5)
LONGEST = timedelta(minutes=2)


def is_open(name: str) -> bool:
    """Whether nothing may be sent through this transport now."""
    return Breaker.objects.filter(name=name, open_until__gt=clock()).exists()


def trip(name: str, reason: str) -> None:
    """A connection failed: park what is queued until the next probe, each wait twice as long as the last."""
    Breaker.objects.bulk_create([Breaker(name=name)], ignore_conflicts=True)
    # Of several runs that fail in the same outage, the first counts.
    closed = Q(open_until=None) | Q(open_until__lte=clock())
    if not Breaker.objects.filter(closed, name=name).update(failures=F("failures") + 1, reason=reason):
        return
    failures = Breaker.objects.values_list("failures", flat=True).get(name=name)
    delay = delay_after(failures, first=FIRST_PROBE, longest=LONGEST)
    Breaker.objects.filter(name=name).update(open_until=in_(delay))
    step("transport", "parked", transport=name, reason=reason, seconds=delay.total_seconds())


def close(name: str) -> None:
    """A message was accepted: the transport works."""
    if Breaker.objects.filter(name=name, open_until__isnull=False).update(failures=0, open_until=None, reason=""):
        step("transport", "works again", transport=name)
