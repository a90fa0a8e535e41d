"""Beat's loop: takes edits, turns due moments into runs, publishes them, and asks wake sources.

Nothing is kept in memory but where the slow recheck has come to, so any number of beats may run this, and each may die
at any line. ledger.py has the protocol.

A wake source is a function, named in SCHEDULE_WAKE_SOURCES for a schedule, that says whether its job should run now.
It is asked every SCHEDULE_WAKE_INTERVAL_SECONDS while the schedule is enabled; the schedule's own interval remains as
the net beneath it. So a request that made work publishes nothing: the work is a row, and beat finds it. A job that is
published for a wake source is no run of its schedule: it leaves no trace in the ledger, in `last_run_at` or in the
interval.
"""

from collections.abc import Callable
from functools import cached_property, partial
from time import monotonic
from typing import Any

from celery.beat import Scheduler
from celery.utils.log import get_logger
from django.conf import settings
from django.db import close_old_connections
from django.utils.module_loading import import_string

from schedules import changes, ledger, publishing, runs
from schedules.definitions import COLUMNS, PARAMETERS, TABLES, Definition, definitions
from schedules.queues import UNREACHABLE, Queues
from schedules.statements import fetch
from schedules.troubles import Troubles

logger = get_logger(__name__)

BROKER_TIMEOUT_SECONDS = 2.0
BROKER_REST_SECONDS = 5.0
RECHECK_EVERY_SECONDS = 5.0
SHORTEST_SLEEP_SECONDS = 0.1

# Index: the unique one of the name.
AWAKE = f"""
    SELECT {COLUMNS} FROM {TABLES} LEFT JOIN schedules_schedulestate AS s ON s.schedule_id = t.id
    WHERE t.name = ANY(%(names)s) AND t.enabled AND coalesce(s.problem, '') = '' AND NOT coalesce(s.has_fired, FALSE)
      AND (t.expires IS NULL OR t.expires > statement_timestamp())
      AND (p.paused_until IS NULL OR p.paused_until <= statement_timestamp())
"""  # noqa: S608 (names of our own)


class LedgerScheduler(Scheduler):
    """The scheduler of `celery -A config beat`, unless CELERY_BEAT_SCHEDULER names another."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.wake_sources: dict[str, Callable[[], bool]] = {
            name: import_string(path) for name, path in settings.SCHEDULE_WAKE_SOURCES.items()
        }
        self.wake_every = float(settings.SCHEDULE_WAKE_INTERVAL_SECONDS)
        self.wake_at = self.recheck_at = self.publish_at = 0.0
        self.rechecked = 0
        self.troubles = Troubles(logger)
        self.has_failed = False
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Nothing is installed: schedules are rows, and an administrator's edits and deletions stand."""
        self.app.loader.import_default_modules()  # a schedule whose job is unknown is broken
        self.attempt(changes.recheck_broken)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due; return the seconds until the next look."""
        self.has_failed = False
        is_more = [self.attempt(changes.note), self.attempt(self.take_due)]
        if not is_more[0]:  # first that every edit is noted, for from then on it is in effect
            is_more.append(self.attempt(self.take_edited))
        if monotonic() >= self.wake_at:
            self.wake_at = monotonic() + self.wake_every
            is_more += [self.attempt(part) for part in (self.attend, self.wake, self.recheck)]
        if any(is_more):
            return 0.0
        until_wake = max(self.wake_at - monotonic(), 0.0)
        until_look = self.attempt(ledger.seconds_until_look)
        if self.has_failed:  # what is due stays due, and would have it look at once again and again
            return until_wake
        return min(max(float(until_look), SHORTEST_SLEEP_SECONDS), until_wake)

    def attempt(self, part: Callable[[], Any], name: str = "") -> Any:
        """Do a part of the tick. Beat would end at an error; what is due is in the database, so it looks again soon."""
        name = name or part.__qualname__
        try:
            done = part()
        except publishing.BrokerAwayError as error:
            self.troubles.failed(name, "The broker is away; what is due stays due", error)
            self.publish_at = monotonic() + BROKER_REST_SECONDS
        except Exception as error:  # of the database, of the broker, or of a wake source
            self.troubles.failed(name, "A part of the tick failed; looking again soon", error)
            close_old_connections()
        else:
            self.troubles.worked(name)
            return done
        self.has_failed = True
        return None

    def take_due(self) -> bool:
        since = publishing.clock()
        count, due = ledger.take_due(lease=runs.PUBLISH_LEASE)
        self.publish(due, since)
        return count == ledger.LOOK_BATCH

    def take_edited(self) -> bool:
        since = publishing.clock()
        count, due = ledger.take_edited(lease=runs.PUBLISH_LEASE)
        self.publish(due, since)
        return count == ledger.EDIT_BATCH

    def attend(self) -> bool:
        """See to the runs that are open: those of a beat that died, those whose message was lost, and so on."""
        if monotonic() < self.publish_at:
            return False
        since = publishing.clock()
        queues = Queues(self.connection)
        count, due = runs.take_open(queues, self.app)
        if queues.is_away:
            self.publish_at = monotonic() + BROKER_REST_SECONDS
        self.publish(due, since)
        return count == runs.BATCH

    def publish(self, due: list[int], since: float) -> None:
        """Runs that this beat has made due, and not before `since`: it may have been frozen at any line."""
        if due and monotonic() >= self.publish_at:
            publishing.publish(due, self.app, self.producer, since=since)
        elif due:
            publishing.leave(due)

    def wake(self) -> None:
        """Publish a job for each schedule whose wake source wants one now."""
        for schedule in definitions(fetch(AWAKE, {"names": list(self.wake_sources), **PARAMETERS})):
            self.attempt(partial(self.wake_one, schedule), f"waking {schedule.name}")

    def wake_one(self, schedule: Definition) -> None:
        if self.wake_sources[schedule.name]():
            self.publish_wake(schedule)

    def publish_wake(self, schedule: Definition) -> None:
        """Without an expiry, which the worker's host would judge by its own clock: what it is worth is known here."""
        try:
            publishing.send_job(schedule, self.app, self.producer, *schedule.message())
        except UNREACHABLE as error:
            raise publishing.BrokerAwayError(str(error)) from error

    def recheck(self) -> None:
        if monotonic() >= self.recheck_at:
            self.recheck_at = monotonic() + RECHECK_EVERY_SECONDS
            self.rechecked = changes.recheck(self.rechecked)

    @cached_property
    def connection(self) -> Any:
        """One that gives up soon: whoever waits for a frozen broker looks for nothing meanwhile."""
        return self.app.connection_for_write(transport_options={"socket_timeout": BROKER_TIMEOUT_SECONDS})

    @cached_property
    def producer(self) -> Any:
        """Connects when it publishes; the original waits for the broker before, for as long as that takes."""
        return self.Producer(self.connection, auto_declare=False)  # type: ignore[attr-defined]  # its stubs lack it

    @property
    def info(self) -> str:
        return "    . db -> the tick ledger"
