"""A breaker per transport: after three connections in a row that carried nothing, nothing is tried until a probe.

Closed, everybody may send. Open, nobody may until `open_until`; then one caller of many gets the probe, one message,
and the others wait for what becomes of it. What is parked stays queued and untouched, so an outage of the mail server
costs no delivery an attempt.
"""

from datetime import timedelta
from enum import Enum

from django.db.models import F, Q

from work.backoff import delay_after
from work.models import Breaker
from work.step import clock, in_, step

TRIES = 3
"""Connections in a row that must fail: one that breaks may be the fault of its message."""

FIRST_PROBE = timedelta(seconds=5)
LONGEST = timedelta(minutes=2)


class Admission(Enum):
    """Who may send: everybody, this caller alone and one message, or nobody."""

    ALL = "all"
    PROBE = "probe"
    NONE = "none"


def is_open(name: str) -> bool:
    """Whether nothing may be sent through this transport now, not even a probe."""
    return Breaker.objects.filter(name=name, open_until__gt=clock(), open_until__lte=in_(LONGEST)).exists()


def why_open(name: str) -> str:
    """What is wrong with the transport, in the words of the last failure; empty while it works."""
    return Breaker.objects.filter(name=name, open_until__isnull=False).values_list("reason", flat=True).first() or ""


def admit(name: str, *, probe_takes: timedelta) -> Admission:
    """Whether the caller may send now; of many who ask when a probe is due, one gets it.

    A probe of which nobody has heard for `probe_takes` was lost with its process: another goes.
    """
    open_ = Breaker.objects.filter(name=name, open_until__isnull=False)
    if not open_.exists():
        return Admission.ALL
    # Further off than any wait: the clock was set back.
    is_due = Q(open_until__lte=clock()) | Q(open_until__gt=in_(LONGEST))
    until = in_(min(probe_takes, LONGEST))
    return Admission.PROBE if open_.filter(is_due).update(open_until=until) else Admission.NONE


def trip(name: str, reason: str, *, probing: bool = False) -> None:
    """A connection carried nothing. The third in a row parks everything; each probe that fails doubles the wait.

    Runs that were under way when the breaker opened fail for the same cause, and do not count.
    """
    Breaker.objects.bulk_create([Breaker(name=name)], ignore_conflicts=True)
    counts = Q() if probing else Q(open_until=None)
    if not Breaker.objects.filter(counts, name=name).update(failures=F("failures") + 1, reason=reason):
        return
    failures = Breaker.objects.values_list("failures", flat=True).get(name=name)
    if failures < TRIES:
        return
    delay = delay_after(failures - TRIES + 1, first=FIRST_PROBE, longest=LONGEST)
    Breaker.objects.filter(name=name).update(open_until=in_(delay))
    step("transport", "parked", transport=name, reason=reason, seconds=delay.total_seconds())


def close(name: str, *, accepted: bool = False) -> None:
    """The transport works; `accepted`: it has carried something."""
    Breaker.objects.bulk_create([Breaker(name=name)], ignore_conflicts=True)
    if accepted:
        Breaker.objects.filter(name=name).update(accepted_at=clock())
    if Breaker.objects.filter(name=name, failures__gt=0).update(failures=0, open_until=None, reason=""):
        step("transport", "works again", transport=name)


def accepted_within(name: str, *, seconds: float) -> bool:
    """Whether the transport has carried something within so many seconds."""
    return Breaker.objects.filter(name=name, accepted_at__gt=in_(-timedelta(seconds=seconds))).exists()
