"""Runs that are open: what beat does about those that nobody has brought further in time.

A run is a row before there is any message about it. Whoever makes it due holds it for PUBLISH_LEASE, publishes, and
marks it published (publishing.py); if that beat dies or freezes in between, the next one looks whether the message is
there. A message that was published and that nobody takes is published again, but only once it is certain that it is
gone: the queue is short, and its messages bear other ids. So a queue that is merely long is not made longer. The
message's id is the run's, so that a message that is doubled all the same starts nothing (taking.py).

A start bears a lease, which the worker renews (taking.py). When it is over, and nothing is heard for a while more, the
worker has died.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from celery import Celery
from celery.utils.log import get_logger
from django.db import transaction

from schedules.definitions import COLUMNS, PARAMETERS, TABLES, Definition, queue_of, queue_of_job
from schedules.models import Policy, RunKind, RunStatus
from schedules.planning import GRACE, in_words
from schedules.statements import as_rows, fetch

logger = get_logger(__name__)

PUBLISH_LEASE = timedelta(seconds=5)
"""For so long a run that was just made due belongs to the beat that made it so."""

LOOK_AGAIN = timedelta(seconds=10)
LOOK_AGAIN_AT_MOST = timedelta(minutes=5)

NOBODY_CAN_TELL = timedelta(seconds=2)

DOUBT = timedelta(seconds=15)
"""When a lease is over, its worker has so long to be heard of: all leases end together when the database was away."""

MOST_STARTS = 3

WORTH_RUNNING = timedelta(hours=1)
"""A run that a person asked for and that could not go out for so long is not what he wants to happen now."""

NOBODY_READS = "no worker takes from its queue"

BATCH = 500


@dataclass(frozen=True)
class Run:
    """An open run, as read with its schedule."""

    schedule: Definition
    id: int
    job_id: UUID
    kind: str
    status: str
    scheduled_for: datetime
    published_at: datetime | None
    publishes: int
    starts: int
    is_doubted: bool
    reason: str
    now: datetime

    @property
    def age(self) -> timedelta:
        return self.now - self.scheduled_for


# Index: run_look.
RUNS = f"""
    SELECT {COLUMNS}, r.id, r.job_id, r.kind, r.status, r.scheduled_for, r.published_at, r.publishes, r.starts,
           r.is_doubted, r.reason, statement_timestamp()
    FROM {TABLES} JOIN schedules_schedulerun AS r ON r.schedule_id = t.id
"""  # noqa: S608 (names of our own)

CLAIM = f"""
    {RUNS}
    WHERE r.look_at <= statement_timestamp() ORDER BY r.look_at LIMIT %(limit)s
    FOR NO KEY UPDATE OF r SKIP LOCKED FOR KEY SHARE OF t SKIP LOCKED
"""

READ = f"{RUNS} WHERE r.id = ANY(%(ids)s) ORDER BY r.scheduled_for, r.id"


def read(ids: list[int]) -> list[Run]:
    return _runs(fetch(READ, {"ids": ids, **PARAMETERS}))


def _runs(rows: Iterable[tuple[Any, ...]]) -> list[Run]:
    size = len(fields(Definition))
    return [Run(Definition(*row[:size]), *row[size:]) for row in rows]


Queue = Callable[[str], frozenset[str] | None]
"""The ids of the messages that wait in a queue of that name; None when nobody can tell."""


@dataclass(frozen=True)
class Next:
    """What beat makes of an open run: its new status, and when it looks at it again."""

    status: str
    reason: str = ""
    wait: timedelta | None = None
    is_published: bool = False
    """Whether a message goes out now."""
    is_new_job: bool = False
    is_doubted: bool = False


def attend(run: Run, queue: Queue, app: Celery) -> Next:
    """What becomes of an open run that beat looks at again."""
    if run.status == RunStatus.STARTED:
        return after_death(run)
    given_up = give_up(run)
    if given_up:
        return given_up
    if run.publishes:
        waiting = queue(queue_of(run.schedule, app))
        if waiting is None:
            return Next(run.status, wait=patience(run) if run.status == RunStatus.PUBLISHED else NOBODY_CAN_TELL)
        if str(run.job_id) in waiting:
            return Next(RunStatus.PUBLISHED, wait=patience(run))
    if is_unwanted(run):
        return Next(RunStatus.SKIPPED, "the schedule was disabled")
    return Next(RunStatus.DUE, wait=PUBLISH_LEASE, is_published=True)


def is_unwanted(run: Run) -> bool:
    """Whether its schedule was disabled since. A one-off is disabled for having come so far."""
    return run.kind == RunKind.TICK and not (run.schedule.enabled or run.schedule.runs_once)


def after_death(run: Run) -> Next:
    if not run.is_doubted:
        return Next(RunStatus.STARTED, wait=DOUBT, is_doubted=True)
    if is_unwanted(run):
        return Next(RunStatus.FAILED, "its worker died, and the schedule was disabled")
    if not run.schedule.runs_again:
        return Next(RunStatus.FAILED, "its worker died")
    if run.starts >= MOST_STARTS:
        return Next(RunStatus.FAILED, f"its worker died, {run.starts} times in all")
    return Next(
        RunStatus.DUE, f"its worker died, at start {run.starts}", wait=PUBLISH_LEASE, is_published=True, is_new_job=True
    )


def give_up(run: Run) -> Next | None:
    """Whether a run that no worker has taken is still worth it, by the policy and by the schedule's own expiry."""
    is_untaken = run.status == RunStatus.PUBLISHED or run.reason.startswith(NOBODY_READS)
    why = "no worker took it" if is_untaken else "the broker was away"
    late = in_words(run.age)
    if run.kind == RunKind.REQUEST:
        return Next(RunStatus.MISSED, f"{why} for {late}") if run.age > WORTH_RUNNING else None
    expiry = run.schedule.expire_seconds
    if expiry and run.age > timedelta(seconds=expiry):
        limit = in_words(timedelta(seconds=expiry))
        return Next(RunStatus.MISSED, f"{why} for {late}, and it is to start within {limit}")
    if run.status == RunStatus.PUBLISHED:
        return None
    if run.schedule.catch_up == Policy.CatchUp.SKIP and run.age > GRACE:
        return Next(RunStatus.MISSED, f"{why} for {late}, and missed ticks are left out")
    if run.age > max(run.schedule.catch_up_window, GRACE):
        return Next(RunStatus.MISSED, f"{why} for {late}")
    return None


def patience(run: Run) -> timedelta:
    doublings = min(max(run.publishes - 1, 0), 10)
    return min(LOOK_AGAIN * (1 << doublings), LOOK_AGAIN_AT_MOST)


# A compare-and-set: a worker may have taken the run meanwhile.
CHANGE = """
    UPDATE schedules_schedulerun AS r
    SET status = row.status, reason = coalesce(nullif(row.reason, ''), r.reason),
        look_at = clock_timestamp() + row.wait,
        job_id = CASE WHEN row.is_new_job THEN gen_random_uuid() ELSE r.job_id END,
        published_at = CASE WHEN row.status = 'published' THEN coalesce(r.published_at, clock_timestamp())
                            ELSE r.published_at END,
        publishes = r.publishes + row.is_published::integer, is_doubted = row.is_doubted
    FROM jsonb_to_recordset(%(rows)s) AS row (
        id bigint, was text, status text, reason text, wait interval, is_published boolean, is_new_job boolean,
        is_doubted boolean
    )
    WHERE r.id = row.id AND r.status = row.was
    RETURNING r.id
"""


def attend_or_wait(run: Run, queue: Queue, app: Celery) -> Next:
    """One that nobody has thought of does not hold up the others."""
    try:
        return attend(run, queue, app)
    except Exception:
        logger.exception("The run %s cannot be attended to", run.id)
        return Next(run.status, wait=LOOK_AGAIN_AT_MOST)


# Index: run_look.
QUEUES = """
    SELECT DISTINCT t.queue, t.task FROM schedules_schedulerun AS r
    JOIN django_celery_beat_periodictask AS t ON t.id = r.schedule_id
    WHERE r.look_at <= statement_timestamp() AND r.status <> 'started' AND r.publishes > 0 LIMIT 100
"""


def take_open(queue: Queue, app: Celery, *, limit: int = BATCH) -> tuple[int, list[int]]:
    """Attend to the open runs whose time it is; return how many, and those to be published by the caller."""
    for name, job in fetch(QUEUES):  # before any row is locked, which a worker may want
        queue(name or queue_of_job(job, app))
    with transaction.atomic():
        runs = _runs(fetch(CLAIM, {"limit": limit, **PARAMETERS}))
        nexts = {run.id: attend_or_wait(run, queue, app) for run in runs}
        rows = [{"id": run.id, "was": run.status, **vars(nexts[run.id])} for run in runs]
        changed = [pk for (pk,) in fetch(CHANGE, {"rows": as_rows(rows)})]
    return len(runs), [pk for pk in changed if nexts[pk].is_published]
