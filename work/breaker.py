"""A circuit breaker per transport: after three connections in a row that carried nothing, only a probe is tried.

Closed, everybody may send. Open, nobody may until `open_until`; then one caller of many gets the probe, one message,
and the others wait for what becomes of it. What is parked stays queued and untouched, so an outage of the mail server
costs no delivery an attempt.

Refusals open it, too: when three different recipients in a row were refused and nobody was accepted in between, it is
not they who are wrong, whatever the replies say.

Whether others got through is asked of instants, all of PostgreSQL's clock: `accepted_at`, when something was last
accepted, against the instant at which a connection broke or a recipient was refused. To write `accepted_at` with each
message would make one row the bottleneck of all: it is written once a second, and always when it is the first since
something went wrong (QUIET).
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, cast

from django.db import connection
from django.db.models import Q, QuerySet

from work.models import Breaker
from work.step import clock, in_, step

TRIES = 3
"""Connections in a row that must fail: one that breaks may be the fault of its message."""

REFUSALS = 3
"""Different recipients in a row that must be refused."""

FIRST_PROBE = timedelta(seconds=5)
LONGEST = timedelta(seconds=40)


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


QUIET = """
    breaker.accepted_at > statement_timestamp() - interval '1 second' AND breaker.accepted_at <= clock_timestamp()
    AND breaker.failures = 0 AND breaker.open_until IS NULL AND breaker.refused = '[]'
    AND (breaker.broke_at IS NULL OR breaker.accepted_at > breaker.broke_at)
"""
"""SQL: another acceptance is no news to this row."""


def keep_open(name: str, *, probe_takes: timedelta) -> None:
    """A probe is still under way: no other goes meanwhile."""
    until = in_(min(probe_takes, LONGEST))
    Breaker.objects.filter(name=name, open_until__isnull=False, open_until__lt=until).update(open_until=until)


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


def trip(name: str, reason: str, *, carrying: bool = False, probing: bool = False) -> bool:
    """A connection carried nothing. The third in a row parks everything; each probe that fails doubles the wait.

    Returns whether the breaker is open now.

    `carrying`: it broke with a message on it. Then that the other side can be reached is no sign that it is well.
    """
    Breaker.objects.bulk_create([Breaker(name=name)], ignore_conflicts=True)
    parameters: dict[str, Any] = {
        "name": name, "reason": reason, "carrying": carrying, "probing": probing, "tries": TRIES, "first": FIRST_PROBE,
        "longest": LONGEST,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(TRIP, parameters)
        row = cursor.fetchone()
    if row == (True,):
        step("transport", "parked", transport=name, reason=reason)
    return bool(row != (False,))


def broke(name: str) -> datetime:
    """A connection broke with something on it: the instant, to be written down with what it carried."""
    Breaker.objects.bulk_create([Breaker(name=name)], ignore_conflicts=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE work_breaker SET broke_at = clock_timestamp() WHERE name = %s RETURNING broke_at", [name]
        )
        ((moment,),) = cursor.fetchall()
    return cast(datetime, moment)


@dataclass(frozen=True)
class Refusals:
    """What one more refusal amounts to."""

    at: datetime
    began_at: datetime
    """When the first of those in a row was refused."""
    are_everybodys: bool
    """So many different recipients in a row that it is not they who are wrong: the breaker is open."""
    recipients: list[int]
    has_closed: bool
    """That the other side answers has closed the breaker."""


# Refusals of one and the same count once. One alone shows that the other side answers, which closes the breaker.
REFUSE = """
    WITH own AS MATERIALIZED (
        SELECT name, open_until, failures, reason, refused, refusals_began_at,
               CASE WHEN refused @> to_jsonb(%(of)s::bigint) THEN refused
                    ELSE refused || to_jsonb(%(of)s::bigint) END AS now_refused
        FROM work_breaker WHERE name = %(name)s FOR NO KEY UPDATE
    ), counted AS (
        SELECT *, jsonb_array_length(now_refused) >= %(most)s AS many,
               CASE WHEN refused = '[]' THEN clock_timestamp() ELSE refusals_began_at END AS began_at
        FROM own
    )
    UPDATE work_breaker AS breaker
    SET refused = CASE WHEN many AND jsonb_array_length(counted.refused) >= %(most)s THEN counted.refused
                       ELSE now_refused END,
        refusals_began_at = began_at,
        while_carrying = many,
        failures = CASE WHEN NOT many THEN 0 WHEN counted.open_until IS NULL OR %(probing)s
                        THEN greatest(counted.failures + 1, %(tries)s) ELSE counted.failures END,
        reason = CASE WHEN many THEN %(reason)s ELSE '' END,
        open_until = CASE
            WHEN NOT many THEN NULL
            WHEN counted.open_until IS NOT NULL AND NOT %(probing)s THEN counted.open_until
            ELSE clock_timestamp()
                 + least(%(first)s * 2 ^ least(greatest(counted.failures + 1 - %(tries)s, 0), 20), %(longest)s) END
    FROM counted WHERE breaker.name = counted.name
    RETURNING clock_timestamp(), began_at, many, counted.open_until IS NULL, breaker.refused
"""


def refuse(name: str, reason: str, *, of: int, probing: bool) -> Refusals:
    """The other side has refused something that was for `of`, the number of a recipient."""
    Breaker.objects.bulk_create([Breaker(name=name)], ignore_conflicts=True)
    words = f"{REFUSALS} recipients in a row were refused, and none accepted; the last: {reason}"
    parameters: dict[str, Any] = {
        "name": name, "of": of, "reason": words, "probing": probing, "most": REFUSALS, "tries": TRIES,
        "first": FIRST_PROBE, "longest": LONGEST,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(REFUSE, parameters)
        ((at, began_at, many, was_closed, recipients),) = cursor.fetchall()
    if many and was_closed:
        step("transport", "parked", transport=name, reason=words)
    elif not (many or was_closed):
        step("transport", "works again", transport=name)
    return Refusals(
        at, began_at, are_everybodys=many, recipients=json.loads(recipients), has_closed=not (many or was_closed)
    )


def close(name: str, *, accepted: bool = False) -> bool:
    """The other side has answered about something; `accepted`: it has taken it. Whether that closed the breaker."""
    Breaker.objects.bulk_create([Breaker(name=name)], ignore_conflicts=True)
    own = Breaker.objects.filter(name=name)
    if accepted:
        own.update(accepted_at=clock(), refused=[])
    return _forget_failures(name, own)


def reached(name: str, *, is_idle: bool = False) -> bool:
    """The other side can be reached. That closes the breaker, unless connections broke with something on them.

    `is_idle`: nothing waits that could show more, so it closes the breaker all the same.
    """
    own = Breaker.objects.filter(name=name)
    if _forget_failures(name, own if is_idle else own.filter(while_carrying=False)):
        return True
    # Something has to be carried to know: soon, for it is there again.
    own.filter(open_until__gt=in_(FIRST_PROBE)).update(open_until=in_(FIRST_PROBE))
    return False


def _forget_failures(name: str, own: "QuerySet[Breaker]") -> bool:
    was_open = own.filter(open_until__isnull=False).exists()
    broken = Q(failures__gt=0) | Q(open_until__isnull=False)
    if own.filter(broken).update(failures=0, open_until=None, reason="", while_carrying=False, refused=[]):
        step("transport", "works again", transport=name)
        return was_open
    return False


def accepted_since(name: str, moment: datetime) -> bool:
    """Whether the transport has carried something after that instant, of PostgreSQL's clock."""
    return Breaker.objects.filter(name=name, accepted_at__gt=moment).exists()


def last_accepted_at(name: str) -> datetime | None:
    return Breaker.objects.filter(name=name).values_list("accepted_at", flat=True).first()
