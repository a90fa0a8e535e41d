"""From runs to messages. Called by the beat that has just made the runs due, outside of any transaction."""

import time
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.utils.log import get_logger

from schedules.definitions import Definition, queue_of
from schedules.jobs import RUN
from schedules.models import RunKind, RunStatus
from schedules.planning import MOST_UNTAKEN
from schedules.queues import UNREACHABLE, crowd, is_no_queue
from schedules.runs import NOBODY_READS, Run, patience, read
from schedules.statements import as_rows, execute, plain

logger = get_logger(__name__)

PUBLISH_FOR_SECONDS = 3.0
"""Of the lease. Whoever has not come to a run within this time leaves it to the next beat."""

TRY_AGAIN = timedelta(seconds=1)

MARK_BATCH = 100

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine is suspended, where there is such a clock."""


# Whoever was faster, a worker or another beat, is not overwritten.
PUBLISHED = """
    UPDATE schedules_schedulerun AS r
    SET status = CASE WHEN r.status = 'due' THEN row.status ELSE r.status END,
        look_at = CASE WHEN r.status = 'due' THEN clock_timestamp() + row.wait ELSE r.look_at END,
        published_at = coalesce(r.published_at, clock_timestamp())
    FROM jsonb_to_recordset(%(rows)s) AS row (id bigint, status text, wait interval)
    WHERE r.id = row.id
"""

FAILED = """
    UPDATE schedules_schedulerun SET status = %(status)s, reason = %(reason)s,
        look_at = clock_timestamp() + %(wait)s::interval
    WHERE id = ANY(%(ids)s) AND status = 'due'
"""


class BrokerAwayError(Exception):
    """Nothing could be published; what is due stays due."""


def clock() -> float:
    return time.clock_gettime(CLOCK)


def publish(ids: list[int], app: Celery, producer: Any, *, since: float | None = None) -> None:
    """Send the messages of runs that the caller has made due, and not before `since` by `clock`.

    A run that the caller has not come to within PUBLISH_FOR_SECONDS is left to whoever looks next, for somebody may be
    publishing it by then. Raises BrokerAwayError.
    """
    begun = clock() if since is None else since
    published: list[Run] = []
    runs = [run for run in read(ids) if run.status == RunStatus.DUE]
    try:
        for run in runs:
            if clock() - begun > PUBLISH_FOR_SECONDS:
                leave(ids_from(run, runs))
                break
            if send(run, app, producer):
                published.append(run)
            if len(published) % MARK_BATCH == 0:
                mark(published, app)
                published = []
    except UNREACHABLE as error:
        fail(ids_from(run, runs), RunStatus.DUE, f"not published: {error}", wait=TRY_AGAIN)
        raise BrokerAwayError(str(error)) from error
    finally:
        mark(published, app)


def ids_from(run: Run, runs: list[Run]) -> list[int]:
    """That run's, and those of the runs after it."""
    ids = [each.id for each in runs]
    return ids[ids.index(run.id) :]


def send(run: Run, app: Celery, producer: Any) -> bool:
    """Send its message; return False if there can be none, or none now."""
    try:
        if is_crowded(run, app, producer):
            return False
        args, kwargs, headers = run.schedule.message()
        options = {"task_id": str(run.job_id), "expires": left(run)}
        send_job(run.schedule, app, producer, args, kwargs, {**headers, RUN: run.id}, **options)
    except Exception as error:  # of a row that somebody mistyped, or of what stands in it
        if isinstance(error, UNREACHABLE) and not is_no_queue(error):
            raise
        logger.error("The run %s of %s cannot be published: %s", run.id, run.schedule.name, error)
        fail([run.id], RunStatus.FAILED, f"it cannot be published: {error}", wait=None)
        return False
    return True


def is_crowded(run: Run, app: Celery, producer: Any) -> bool:
    """Whether so many messages of its schedule wait in its queue that nobody seems to take from there.

    What is open is counted in the ledger (planning.MOST_UNTAKEN). That does not see a message whose run has expired, or
    that was published for workers that are not ours: one a tick, for ever, if there is no such worker. The run waits as
    it does while the broker is away.
    """
    queue = queue_of(run.schedule, app)
    waiting = crowd(queue, run.schedule.name, producer.connection, most=MOST_UNTAKEN)
    if waiting < MOST_UNTAKEN:
        return False
    reason = f"{NOBODY_READS}: {waiting} messages of this schedule wait in {queue!r}"
    logger.warning("%s is not published, since %s", run.schedule.name, reason)
    fail([run.id], RunStatus.DUE, reason, wait=patience(run))
    return True


def left(run: Run) -> float | None:
    """For how many seconds more its message is worth taking, if the schedule says so."""
    if not run.schedule.expire_seconds or run.kind == RunKind.REQUEST:
        return None
    return max(run.schedule.expire_seconds - run.age.total_seconds(), 1.0)


def send_job(
    schedule: Definition, app: Celery, producer: Any, args: list[Any], kwargs: dict[str, Any], headers: dict[str, Any],
    **options: Any,
) -> None:  # fmt: skip
    """Publish the schedule's job. Raises what Celery raises."""
    for option in ("queue", "exchange", "routing_key", "priority"):
        value = getattr(schedule, option)
        if value is not None and value != "":
            options[option] = value
    options["headers"] = {**headers, "periodic_task_name": schedule.name}
    job = app.tasks.get(schedule.task)
    if job is not None:
        job.apply_async(tuple(args), kwargs, producer=producer, **options)
    else:
        app.send_task(schedule.task, args, kwargs, producer=producer, **options)


def mark(runs: list[Run], app: Celery) -> None:
    if not runs:
        return
    rows = [
        {"id": run.id, "status": RunStatus.PUBLISHED, "wait": patience(run)}
        if run.schedule.is_observed(app)
        else {"id": run.id, "status": RunStatus.UNOBSERVED, "wait": None}
        for run in runs
    ]
    execute(PUBLISHED, {"rows": as_rows(rows)})


def fail(ids: list[int], status: str, reason: str, *, wait: timedelta | None) -> None:
    execute(FAILED, {"ids": ids, "status": status, "reason": plain(reason), "wait": wait})


# Nothing was sent for these. Those that another beat has in hand by now are not touched: their time has moved on.
UNTRIED = """
    UPDATE schedules_schedulerun SET publishes = publishes - 1, look_at = clock_timestamp() + %(wait)s
    WHERE id = ANY(%(ids)s) AND status = 'due' AND publishes = 1 AND look_at > clock_timestamp()
"""


def leave(ids: list[int]) -> None:
    """Let runs that were made due and not come to go out soon, without being looked for in their queue first."""
    execute(UNTRIED, {"ids": ids, "wait": TRY_AGAIN})
