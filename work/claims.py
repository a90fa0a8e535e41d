"""Claiming rows under a lease, and giving them back. For any model that extends work.models.Leased.

The protocol
------------
A run claims a batch of its own, when it is about to work on it: `claim` moves rows queued → leased under a token
made by that run, so a message that arrives twice finds nothing of the first run's. Nobody else may move those rows
until the lease ends. Whatever the run does to a row afterwards is a compare-and-set on that token (`held`,
`release`): when it changes no row, the lease was lost to `rescue` and somebody else has the row, so the run stops
quietly.

A run that dies leaves its rows leased. `rescue` puts them back once the lease is over; a run that only slept
finds its token gone. No transaction is open while the work is done. The clock is PostgreSQL's.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from os import getpid
from socket import gethostname
from typing import Any
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import F, QuerySet

from work.models import Leased
from work.step import in_, note, noted, step


@dataclass(frozen=True)
class Holder:
    """Who holds a lease: a token for this run alone, and the process it runs in, for people to read."""

    token: UUID = field(default_factory=uuid4)
    worker: str = field(default_factory=lambda: f"{gethostname()}:{getpid()}")


def kind_of(model: type[Leased]) -> str:
    """What a row of this model is called in logs and metrics: delivery, …"""
    return str(model._meta.model_name)


def claim(model: type[Leased], holder: Holder, *, limit: int, lease: timedelta) -> list[int]:
    """Lease up to `limit` due rows to this run; return their ids, the longest due first.

    The batch is locked in a CTE of its own: under `WHERE id IN (SELECT … LIMIT … SKIP LOCKED)` the planner may run
    the sub-select again, and took 20 rows for 5.
    """
    table = model._meta.db_table
    sql = f"""
        WITH batch AS MATERIALIZED (  -- index: <table>_queued, partial on status = 'queued'
            SELECT id FROM {table}
            WHERE status = 'queued' AND not_before <= clock_timestamp()
            ORDER BY not_before, id LIMIT %(limit)s
            FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE {table} AS claimed
        SET status = 'leased', lease_token = %(token)s, lease_worker = %(worker)s,
            lease_until = clock_timestamp() + %(lease)s,
            history = {note("claimed", "jsonb_build_object('worker', %(worker)s::text)")}
        FROM batch WHERE claimed.id = batch.id
        RETURNING claimed.not_before, claimed.id
    """  # noqa: S608 (the table's name is our own)
    parameters: dict[str, Any] = {
        "limit": limit, "token": holder.token, "worker": holder.worker, "lease": lease,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        ids = [pk for _, pk in sorted(cursor.fetchall())]
    step(kind_of(model), "claimed", rows=len(ids), worker=holder.worker)
    return ids


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
    later: timedelta = timedelta(0),
    spends_attempt: bool = False,
    facts: dict[str, Any] | None = None,
    **columns: Any,
) -> bool:
    """End this run's hold on a row with the step `name`: to an end, or back to queued, due again after `later`.

    Says whether it did: False means that the lease was lost and the row is somebody else's.
    """
    facts = {**(facts or {}), **({"reason": reason} if reason else {})}
    if status == Leased.QUEUED:
        columns["not_before"] = in_(later)
    if spends_attempt:
        columns["attempts"] = F("attempts") + 1
    released = held(model, pk, holder).update(
        status=status, reason=reason, lease_token=None, lease_until=None, lease_worker="",
        history=noted(name, **facts), **columns,
    )  # fmt: skip
    step(kind_of(model), name if released else "lease lost", id=pk, **facts)
    return bool(released)


def hand_back(model: type[Leased], ids: list[int], holder: Holder) -> int:
    """Put back rows that this run claimed and has not begun, due at once."""
    rows = model._default_manager.filter(pk__in=ids, status=Leased.LEASED, lease_token=holder.token)
    back = rows.update(
        status=Leased.QUEUED, lease_token=None, lease_until=None, lease_worker="", history=noted("handed back")
    )
    step(kind_of(model), "handed back", rows=back)
    return back


def rescue(model: type[Leased], *, also: str = "") -> int:
    """Put back the rows whose lease is over; `also` is SQL for further columns, such as ", handing_over = FALSE"."""
    table = model._meta.db_table
    sql = f"""
        WITH expired AS MATERIALIZED (  -- index: <table>_leased, partial on status = 'leased'
            SELECT id FROM {table} WHERE status = 'leased' AND lease_until < clock_timestamp()
            FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE {table} AS rescued
        SET status = 'queued', not_before = clock_timestamp(), reason = 'the worker that had it was lost',
            lease_token = NULL, lease_until = NULL, lease_worker = '', history = {note("lease expired")} {also}
        FROM expired WHERE rescued.id = expired.id
    """  # noqa: S608 (names and expressions of our own)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rescued = int(cursor.rowcount)
    step(kind_of(model), "lease expired", rows=rescued)
    return rescued
