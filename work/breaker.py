"""A breaker per transport: after three connections in a row that carried nothing, nothing is tried until a probe.

Closed, everybody may send. Open, nobody may until `open_until`; then one caller of many gets the probe, one message,
and the others wait for what becomes of it. What is parked stays queued and untouched, so an outage of the mail server
costs no delivery an attempt.
"""

from datetime import timedelta
from enum import Enum
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

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


# One statement, so that a failure and an acceptance at the same moment leave the row as one of them would. Runs that
# were under way when the breaker opened fail for the same cause, and do not count.
TRIP = """
    UPDATE work_breaker
    SET failures = failures + 1, reason = %(reason)s, while_carrying = while_carrying OR %(carrying)s,
        open_until = CASE WHEN failures + 1 >= %(tries)s
            THEN clock_timestamp() + least(%(first)s * 2 ^ least(failures + 1 - %(tries)s, 20), %(longest)s) END
    WHERE name = %(name)s AND (open_until IS NULL OR %(probing)s)
    RETURNING open_until IS NOT NULL
"""


def trip(name: str, reason: str, *, carrying: bool = False, probing: bool = False) -> None:
    """A connection carried nothing. The third in a row parks everything; each probe that fails doubles the wait.

    `carrying`: it broke with a message on it. Then that the other side can be reached is no sign that it is well.
    """
    Breaker.objects.bulk_create([Breaker(name=name)], ignore_conflicts=True)
    parameters: dict[str, Any] = {
        "name": name, "reason": reason, "carrying": carrying, "probing": probing, "tries": TRIES, "first": FIRST_PROBE,
        "longest": LONGEST,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(TRIP, parameters)
        if cursor.fetchone() == (True,):
            step("transport", "parked", transport=name, reason=reason)


def close(name: str, *, accepted: bool = False) -> None:
    """The other side has answered about something; `accepted`: it has taken it."""
    Breaker.objects.bulk_create([Breaker(name=name)], ignore_conflicts=True)
    own = Breaker.objects.filter(name=name)
    if accepted:
        own.update(accepted_at=clock())
    _forget_failures(name, own)


def reached(name: str) -> None:
    """The other side can be reached. That closes the breaker, unless connections broke with something on them."""
    _forget_failures(name, Breaker.objects.filter(name=name, while_carrying=False))


def _forget_failures(name: str, own: "QuerySet[Breaker]") -> None:
    broken = Q(failures__gt=0) | Q(open_until__isnull=False)
    if own.filter(broken).update(failures=0, open_until=None, reason="", while_carrying=False):
        step("transport", "works again", transport=name)


def accepted_within(name: str, *, seconds: float) -> bool:
    """Whether the transport has carried something within so many seconds."""
    return Breaker.objects.filter(name=name, accepted_at__gt=in_(-timedelta(seconds=seconds))).exists()
