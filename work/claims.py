"""Claiming rows under a lease, and giving them back. For any model that extends work.models.Leased.

The protocol
------------
A run claims a batch of its own, when it is about to work on it: `claim` moves rows queued → leased under a token
made by that run, so a message that arrives twice finds nothing of the first run's. Nobody else may move those rows
until the lease ends. Whatever the run does to a row afterwards is a compare-and-set on that token (`held`,
`release`): when it changes no row, the lease was lost to `rescue` and somebody else has the row, so the run stops
quietly.

A run that dies leaves its rows leased. `rescue` puts them back once the lease is over; a run that only slept
finds its token gone. One of those rows may be what it died of, so they are `alone` from then on: `claim_alone` hands
them out one at a time, and each further loss is an attempt spent. No transaction is open while the work is done.

The clock is PostgreSQL's. What is due is looked up by that of the statement, which an index can be asked for; by the
one that runs on, every row that waits would be read. A row that is due keeps the `not_before` it had when it is put
back, so that a clock that is set back does not make it wait, and so that its age can be seen. `rescue` also shortens
what lies further off than any lease or wait can.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from os import getpid
from socket import gethostname
from typing import Any
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import F, QuerySet

from work.backoff import Patience
from work.models import Leased
from work.step import in_, note, noted, step


@dataclass(frozen=True)
class Holder:
    """Who holds a lease: a token for this run alone, and the process it runs in, for people to read."""

    token: UUID = field(default_factory=uuid4)
    worker: str = field(default_factory=lambda: f"{gethostname()}:{getpid()}")


@dataclass
class Turn:
    """Whose turn it is. Kept between claims, so that each goes on where the last one ended."""

    by: str
    """The column that says whose a row is. There must be an index (<by>, not_before, id) on queued rows."""
    after: int | None = None
    """The last owner who was served; None: begin anywhere."""


def kind_of(model: type[Leased]) -> str:
    """What a row of this model is called in logs and metrics: delivery, …"""
    return str(model._meta.model_name)


# Walks from owner to owner along the index, the one after the last served first, and takes the longest due row of each;
# what is then left of the limit goes to the longest due of all. So an owner with one row does not wait behind another's
# million, and a claim costs what it takes. Each batch is locked in a CTE of its own: under `WHERE id IN (SELECT … LIMIT
# … SKIP LOCKED)` the planner may run the sub-select again, and took 20 rows for 5.
CLAIM = """
    WITH RECURSIVE turn AS MATERIALIZED (
        SELECT coalesce(
            %(after)s, random() * (SELECT max({by}) FROM {table} WHERE status = 'queued'), 0
        )::bigint AS after
    ), later AS (  -- index: <table>_turn
        SELECT (SELECT min({by}) FROM {table} WHERE status = 'queued' AND {by} > turn.after) AS owner FROM turn
        UNION ALL
        SELECT (SELECT min({by}) FROM {table} WHERE status = 'queued' AND {by} > later.owner)
        FROM later WHERE later.owner IS NOT NULL
    ), earlier AS (
        SELECT (SELECT min({by}) FROM {table} WHERE status = 'queued' AND {by} <= turn.after) AS owner, turn.after
        FROM turn
        UNION ALL
        SELECT (SELECT min({by}) FROM {table}
                WHERE status = 'queued' AND {by} > earlier.owner AND {by} <= earlier.after), earlier.after
        FROM earlier WHERE earlier.owner IS NOT NULL
    ), fair AS MATERIALIZED (
        SELECT first.id, first.owner, row_number() OVER () AS place
        FROM (SELECT owner FROM later UNION ALL SELECT owner FROM earlier) AS owners,
        LATERAL (
            SELECT id, {by} AS owner FROM {table}
            WHERE status = 'queued' AND NOT alone {only} AND {by} = owners.owner AND not_before <= statement_timestamp()
            ORDER BY not_before, id LIMIT 1
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS first
        LIMIT %(limit)s
    ), rest AS MATERIALIZED (  -- index: <table>_queued
        SELECT id, {by} AS owner, NULL::bigint AS place FROM {table}
        WHERE status = 'queued' AND NOT alone {only} AND not_before <= statement_timestamp()
          AND id NOT IN (SELECT id FROM fair)
        ORDER BY not_before, id LIMIT %(limit)s - (SELECT count(*) FROM fair)
        FOR NO KEY UPDATE SKIP LOCKED
    ), batch AS (
        SELECT id, owner, place FROM fair UNION ALL SELECT id, owner, place FROM rest
    )
"""

NO_LEASE = "lease_token = NULL, lease_until = NULL, lease_worker = ''"
"""SQL for the columns of a row that nobody holds."""

CLAIM_ALONE = """
    WITH batch AS MATERIALIZED (  -- index: <table>_alone
        SELECT id, 0 AS owner, 1 AS place FROM {table}
        WHERE status = 'queued' AND alone AND not_before <= statement_timestamp()
        ORDER BY not_before, id LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""

LEASE = f"""
    UPDATE {{table}} AS claimed
    SET status = 'leased', lease_token = %(token)s, lease_worker = %(worker)s,
        lease_until = clock_timestamp() + %(lease)s,
        history = {note("claimed", "jsonb_build_object('worker', %(worker)s::text)")}
    FROM batch WHERE claimed.id = batch.id
    RETURNING batch.place, claimed.not_before, claimed.id, batch.owner
"""  # noqa: S608 (an expression of our own)


def claim(
    model: type[Leased], holder: Holder, *, limit: int, lease: timedelta, turn: Turn, only: str = ""
) -> list[int]:
    """Lease up to `limit` due rows to this run, one of each owner in turn, then the longest due; return their ids.

    `only` is an SQL condition, such as "unknown_outcomes = 0".
    """
    batch = CLAIM.replace("{by}", turn.by).replace("{only}", f"AND {only}" if only else "")
    taken = _lease(model, holder, batch, limit=limit, lease=lease, after=turn.after)
    served = [owner for place, _, _, owner in taken if place is not None]
    if served:
        turn.after = served[-1]
    return [pk for _, _, pk, _ in taken]


def claim_alone(model: type[Leased], holder: Holder, *, lease: timedelta) -> list[int]:
    """Lease the longest due of the rows that go alone, if there is one; return its id."""
    return [pk for _, _, pk, _ in _lease(model, holder, CLAIM_ALONE, lease=lease)]


def _lease(model: type[Leased], holder: Holder, batch: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Place, `not_before`, id and owner of each row of the batch, in the order in which they are to be worked on."""
    sql = (batch + LEASE).replace("{table}", model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"token": holder.token, "worker": holder.worker, **parameters})
        taken = sorted(cursor.fetchall(), key=lambda row: (row[0] is None, row[0] or 0, row[1], row[2]))
    step(kind_of(model), "claimed", rows=len(taken), worker=holder.worker)
    return taken


def held(model: type[Leased], pk: int, holder: Holder) -> "QuerySet[Any]":
    """The row, while this run still holds it: the guard of every compare-and-set."""
    return model._default_manager.filter(pk=pk, status=Leased.LEASED, lease_token=holder.token)


def release(
    model: type[Leased],
    pk: int,
    holder: Holder,
    name: str,
    *,
    status: str,
    reason: str = "",
    later: timedelta | None = None,
    spends_attempt: bool = False,
    keeps_alone: bool = False,
    facts: dict[str, Any] | None = None,
    **columns: Any,
) -> bool:
    """End this run's hold on a row with the step `name`: to an end, or back to queued, due as before or after `later`.

    Says whether it did: False means that the lease was lost and the row is somebody else's.
    """
    facts = {**(facts or {}), **({"reason": reason} if reason else {})}
    if later is not None:
        columns["not_before"] = in_(later)
    if not keeps_alone:
        columns["alone"] = False
    if spends_attempt:
        columns["attempts"] = F("attempts") + 1
    released = held(model, pk, holder).update(
        status=status, reason=reason, lease_token=None, lease_until=None, lease_worker="",
        history=noted(name, **facts), **columns,
    )  # fmt: skip
    step(kind_of(model), name if released else "lease lost", id=pk, **facts)
    return bool(released)


def hand_back(
    model: type[Leased],
    ids: list[int],
    holder: Holder,
    name: str,
    *,
    reason: str = "",
    later: timedelta | None = None,
    **columns: Any,
) -> int:
    """Put back rows that this run claimed and has not begun, with the step `name`, due as before or after `later`."""
    facts = {"reason": reason} if reason else {}
    if later is not None:
        columns["not_before"] = in_(later)
    rows = model._default_manager.filter(pk__in=ids, status=Leased.LEASED, lease_token=holder.token)
    back = rows.update(
        status=Leased.QUEUED, lease_token=None, lease_until=None, lease_worker="", history=noted(name, **facts),
        **facts, **columns,
    )  # fmt: skip
    step(kind_of(model), name, rows=back, **facts)
    return back


LOST = "the worker that had it was lost"
LOST_ALONE = "the worker that had it was lost, and it was all that the worker had"


@dataclass(frozen=True)
class Loss:
    """What becomes of a row with its lease, beside the rule for all, in SQL over the row as it was."""

    also: str = ""
    """Further columns, such as ", handing_over = FALSE"."""
    fails: str = "FALSE"
    """Whether this was one too many."""
    reason: str = "''"
    """Why it has failed then."""
    waits: str = "NULL::interval"
    """For how long it waits; null: what is the rule."""


# A row that was lost while it was alone has spent an attempt: with the last one it has failed, else it waits.
RESCUE = f"""
    WITH expired AS MATERIALIZED (  -- index: <table>_leased
        SELECT id FROM {{table}} WHERE status = 'leased' AND lease_until < statement_timestamp()
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE {{table}} AS rescued
    SET status = CASE WHEN {{fails}} OR (alone AND attempts + 1 >= %(attempts)s) THEN 'failed' ELSE 'queued' END,
        attempts = attempts + alone::int,
        not_before = CASE WHEN {{waits}} IS NOT NULL THEN clock_timestamp() + {{waits}}
                          WHEN alone THEN clock_timestamp() + least(%(first)s * 2 ^ least(attempts, 20), %(longest)s)
                          ELSE not_before END,
        reason = CASE WHEN {{fails}} THEN {{reason}} WHEN alone THEN '{LOST_ALONE}' ELSE '{LOST}' END,
        alone = TRUE, {NO_LEASE},
        history = {note("lease expired", "jsonb_build_object('worker', lease_worker, 'alone', alone)")} {{also}}
    FROM expired WHERE rescued.id = expired.id
"""  # noqa: S608 (expressions of our own)

# Only a clock that was set back can have made these. A run that is at work keeps its row for another whole lease.
SHORTEN = """
    UPDATE {table} SET lease_until = clock_timestamp() + %(lease)s  -- index: <table>_leased
    WHERE status = 'leased' AND lease_until > (SELECT clock_timestamp()) + %(lease)s;
    UPDATE {table} SET not_before = clock_timestamp()  -- index: <table>_queued
    WHERE status = 'queued' AND not_before > (SELECT clock_timestamp()) + %(longest_wait)s
      AND not_before > (SELECT clock_timestamp()) + {may_wait}
"""


def rescue(
    model: type[Leased],
    *,
    lease: timedelta,
    patience: Patience,
    longest_wait: timedelta,
    loss: Loss = Loss(),
    may_wait: str = "interval '0'",
    **parameters: Any,
) -> int:
    """Put back the rows whose lease is over; `parameters` are those that `loss` and `may_wait` name.

    No lease ends later than `lease` from now and no row is due later than `longest_wait` from now, but by a clock that
    was set back. `may_wait` is SQL for how long this row may wait where that is longer.
    """
    parameters |= {
        "lease": lease, "attempts": patience.attempts, "first": patience.first, "longest": patience.longest,
        "longest_wait": longest_wait,
    }  # fmt: skip
    table = model._meta.db_table
    shorten = SHORTEN.replace("{table}", table).replace("{may_wait}", may_wait)
    rescue = RESCUE.replace("{table}", table)
    for name, sql in vars(loss).items():
        rescue = rescue.replace("{" + name + "}", sql)
    with connection.cursor() as cursor:
        for sql in shorten.split(";"):
            cursor.execute(sql, parameters)
        cursor.execute(rescue, parameters)
        rescued = int(cursor.rowcount)
    step(kind_of(model), "lease expired", rows=rescued)
    return rescued
