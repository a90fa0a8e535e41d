"""The worker's side of the ledger: a run is taken when its job starts, held while it runs, and settled when it ends.

Taking is a compare-and-set, so of several messages about one run, however they came about, the first starts it; the
job of any other ends before it begins (jobs.py). A start bears a lease, which a thread of the worker's parent renews
while the job runs (Keep); beat finds those that ended without a word (runs.py), and runs them again unless the policy
says otherwise.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from os import getpid
from socket import gethostname
from threading import Event, Thread
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import bootsteps, signals
from celery.states import FAILURE, IGNORED, REJECTED, RETRY, SUCCESS
from celery.utils.log import get_logger
from celery.worker import state
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from schedules.jobs import RUN, TakenBefore, is_of_run
from schedules.models import RunStatus
from schedules.statements import execute, fetch, insist, plain

logger = get_logger(__name__)

LEASE = timedelta(seconds=30)
RENEW_EVERY_SECONDS = 10.0

RETRIED = timedelta(hours=1)
"""A job that has Celery repeat it has so long, before beat looks whether the message is lost."""

# A tick of a schedule that was disabled meanwhile is not taken; a one-off is disabled for having come so far. A job
# that has Celery repeat it may be repeated before it has said so. Index: of job_id.
TAKE = """
    UPDATE schedules_schedulerun AS run
    SET status = 'started', started_at = clock_timestamp(), starts = starts + 1, worker = %(worker)s,
        look_at = clock_timestamp() + %(lease)s, published_at = coalesce(published_at, clock_timestamp()),
        is_doubted = FALSE
    FROM django_celery_beat_periodictask AS t
    WHERE run.job_id = %(job)s AND t.id = run.schedule_id
      AND (run.status IN ('due', 'published', 'unobserved') OR (run.status = 'started' AND starts <= %(retries)s))
      AND (t.enabled OR t.one_off OR t.clocked_id IS NOT NULL OR run.kind = 'request')
    RETURNING starts
"""

# The message of an earlier start bears another id.
IS_KNOWN = "SELECT EXISTS (SELECT FROM schedules_schedulerun WHERE job_id = %(job)s OR id = %(run)s)"

SETTLE = """
    UPDATE schedules_schedulerun
    SET status = %(status)s, reason = coalesce(%(reason)s, reason), look_at = clock_timestamp() + %(wait)s::interval,
        finished_at = CASE WHEN %(wait)s::interval IS NULL THEN clock_timestamp() END
    WHERE job_id = %(job)s AND status = 'started' AND starts = coalesce(%(start)s, starts)
"""

RENEW = """
    UPDATE schedules_schedulerun SET look_at = clock_timestamp() + %(lease)s, is_doubted = FALSE
    WHERE job_id = ANY(%(jobs)s::uuid[]) AND status = 'started'
"""

LOST = """
    UPDATE schedules_schedulerun SET look_at = clock_timestamp(), is_doubted = TRUE
    WHERE job_id = %(job)s AND status = 'started'
"""

TOO_LONG = """
    UPDATE schedules_schedulerun
    SET status = 'failed', reason = 'its time limit was over', look_at = NULL, finished_at = clock_timestamp()
    WHERE job_id = %(job)s AND status = 'started'
"""

TERMINATED = """
    UPDATE schedules_schedulerun
    SET status = 'failed', reason = 'its job was terminated on request', look_at = NULL, finished_at = clock_timestamp()
    WHERE job_id = %(job)s AND status = 'started'
"""

REVOKED = """
    UPDATE schedules_schedulerun SET status = 'skipped', reason = 'its job was revoked', look_at = NULL
    WHERE job_id = %(job)s AND status IN ('due', 'published')
"""

EXPIRED = """
    UPDATE schedules_schedulerun
    SET status = 'missed', reason = 'its message expired before a worker took it', look_at = NULL
    WHERE job_id = %(job)s AND status IN ('due', 'published')
"""


def take(job_id: str, *, run: int | None = None, retries: int = 0) -> int | TakenBefore | None:
    """Take the run that this message is about; return the number of the start. None: the ledger knows no such run."""
    worker = f"{gethostname()}:{getpid()}"
    taken = fetch(TAKE, {"job": job_id, "worker": worker, "lease": LEASE, "retries": retries})
    if taken:
        return int(taken[0][0])
    ((is_known,),) = fetch(IS_KNOWN, {"job": job_id, "run": run})
    return TakenBefore() if is_known else None


def settle(
    job_id: str, status: str, *, start: int | None = None, reason: str | None = None, wait: timedelta | None = None
) -> bool:
    """Write down how the run ended; `start` says which start of it. False: the lease was lost meanwhile.

    It would run again if that were forgotten, so PostgreSQL is waited for, for as long as a lease.
    """
    said = None if reason is None else plain(reason)[:500]
    parameters = {"job": job_id, "status": status, "start": start, "reason": said, "wait": wait}
    return bool(insist(SETTLE, parameters, within=LEASE))


# --- What Celery tells, in the process that runs the job -------------------------------------------------------------


@signals.task_prerun.connect
def on_start(task_id: str, task: Any, **_: Any) -> None:
    if not is_of_run(task.request):
        return
    try:
        run = task.request.headers.get(RUN)
        task.request.taken = take(task_id, run=run if isinstance(run, int) else None, retries=task.request.retries or 0)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("The start of run %s is not in the ledger: %s", task_id, error)
        hang_up()


@signals.task_postrun.connect
def on_end(task_id: str, task: Any, retval: Any, state: str, **_: Any) -> None:
    start = getattr(task.request, "taken", None)
    if not isinstance(start, int):
        return
    try:
        if state == RETRY:
            settle(task_id, RunStatus.PUBLISHED, start=start, reason="the job has itself repeated", wait=until(retval))
        elif refused := getattr(task.request, "refused", None):
            settle(task_id, RunStatus.FAILED, start=start, reason=refused)
        elif state in (SUCCESS, IGNORED):
            settle(task_id, RunStatus.FINISHED, start=start)
        elif state in (FAILURE, REJECTED):
            settle(task_id, RunStatus.FAILED, start=start, reason=in_words(retval))
        # Else the child is being killed, and its parent says so.
    except (DatabaseError, InterfaceError) as error:
        logger.warning("The end of run %s is not in the ledger: %s", task_id, error)
    finally:
        hang_up()


def in_words(error: Any) -> str:
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception:  # its own __str__ may break
        return name


def until(retry: Any) -> timedelta:
    """How long Celery may hold the message of a repetition, in no queue where beat could see it."""
    when = getattr(retry, "when", None)
    seconds = (when - timezone.now()).total_seconds() if isinstance(when, datetime) else float(when or 0)
    return RETRIED + timedelta(seconds=min(max(seconds, 0.0), timedelta(days=3650).total_seconds()))


def hang_up() -> None:
    """Celery closes a job's connection, too, but may have done so before this."""
    if not connection.in_atomic_block:
        connection.close()


# --- What Celery tells in the worker's parent ----------------------------------------------------------------------


@signals.task_failure.connect
def on_failure(task_id: str, exception: Any, **_: Any) -> None:
    """A child that was killed cannot say so; its parent does."""
    if isinstance(exception, WorkerLostError):
        in_parent(LOST, task_id)
    elif isinstance(exception, TimeLimitExceeded):
        in_parent(TOO_LONG, task_id)


@signals.task_revoked.connect
def on_revoked(request: Any, expired: bool, terminated: bool, **_: Any) -> None:
    """The worker has thrown the message away, or ended the job, and somebody wanted that."""
    if is_of_run(request):
        in_parent(EXPIRED if expired else TERMINATED if terminated else REVOKED, request.id)


def in_parent(sql: str, job_id: str) -> None:
    try:
        execute(sql, {"job": job_id})
    except (DatabaseError, InterfaceError) as error:
        logger.warning("Not in the ledger, for run %s: %s", job_id, error)
    finally:
        hang_up()


class Keep(bootsteps.StartStopStep):
    """A part of the worker: renews the leases of the runs whose jobs its children are at."""

    requires = ("celery.worker.components:Pool",)  # so that the pool does not fork beside a running thread

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self.over = Event()

    def start(self, worker: Any) -> None:
        Thread(target=self.keep, name="leases", daemon=True).start()

    def stop(self, worker: Any) -> None:
        self.over.set()

    def keep(self) -> None:
        while not self.over.wait(RENEW_EVERY_SECONDS):
            try:
                renew(running_jobs())
            except (DatabaseError, InterfaceError) as error:
                logger.warning("Leases of runs are not renewed: %s", error)
            finally:
                hang_up()


def running_jobs() -> list[str]:
    """The runs that the children are at. The main thread may be changing the set just now."""
    while True:
        try:
            return [request.id for request in state.active_requests if is_of_run(request)]
        except RuntimeError:
            continue


def renew(jobs: Iterable[str]) -> None:
    ids = list(jobs)
    if ids:
        execute(RENEW, {"jobs": ids, "lease": LEASE})
