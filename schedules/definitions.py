"""What a schedule says, as one row: the joined tables of django-celery-beat and the policy, read by plain SQL.

Not by its models: a crontab whose zone nobody knows cannot even be loaded by them, and one such row must not stop the
others.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from celery import Celery, current_app

from schedules import moments
from schedules.jobs import OWN_HEADERS
from schedules.models import LONGEST_WINDOW, WINDOW, Policy


def in_calendar(column: str) -> str:
    """SQL for a time that Python can reckon with: PostgreSQL knows earlier and later ones, and infinity."""
    first, last = "'1900-01-01 UTC'::timestamptz", "'9900-01-01 UTC'::timestamptz"
    return f"CASE WHEN {column} < {first} THEN {first} WHEN {column} > {last} THEN {last} ELSE {column} END"


COLUMNS = f"""
    t.id, t.name, t.task, t.args, t.kwargs, t.queue, t.exchange, t.routing_key, t.headers, t.priority,
    {in_calendar("t.expires")}, t.expire_seconds, t.one_off, {in_calendar("t.start_time")}, t.enabled,
    {in_calendar("t.last_run_at")}, t.total_run_count,
    i.every, i.period, {in_calendar("k.clocked_time")}, t.solar_id IS NOT NULL,
    c.minute, c.hour, c.day_of_month, c.month_of_year, c.day_of_week, c.timezone,
    coalesce(p.catch_up, '{Policy.CatchUp.ONCE}'),
    least(greatest(coalesce(p."window", %(window)s), interval '0'), %(longest_window)s),
    coalesce(p.overlap, '{Policy.Overlap.COALESCE}'), coalesce(p.runs_again, true),
    {in_calendar("p.paused_until")}, {in_calendar("p.skip_at")}
"""

TABLES = """
    django_celery_beat_periodictask AS t
    LEFT JOIN django_celery_beat_intervalschedule AS i ON i.id = t.interval_id
    LEFT JOIN django_celery_beat_crontabschedule AS c ON c.id = t.crontab_id
    LEFT JOIN django_celery_beat_clockedschedule AS k ON k.id = t.clocked_id
    LEFT JOIN schedules_policy AS p ON p.schedule_id = t.id
"""

# All that beat's look at a schedule depends on.
DIGEST = """
    md5(ROW(t.name, t.task, t.args, t.kwargs, t.queue, t.exchange, t.routing_key, t.headers, t.priority, t.expires,
            t.expire_seconds, t.one_off, t.start_time, t.enabled, t.solar_id, i.every, i.period, k.clocked_time,
            c.minute, c.hour, c.day_of_month, c.month_of_year, c.day_of_week, c.timezone,
            p.catch_up, p."window", p.overlap, p.runs_again, p.paused_until, p.skip_at)::text)
"""

PARAMETERS = {"window": WINDOW, "longest_window": LONGEST_WINDOW}


SOLAR = "Solar schedules are not supported; use a crontab."
NO_KIND = "It must have one of interval, crontab and clocked."
TWO_KINDS = "It must have only one of interval, crontab and clocked."


class Broken(ValueError):  # noqa: N818 (the name says what is the case)
    """The schedule cannot run; the text says why, for an administrator to read."""


@dataclass(slots=True)  # frozen ones take four times as long to make, and beat makes many
class Definition:
    """What a schedule says. Field by field as in the tables; times are aware. Nobody changes one."""

    id: int
    name: str
    task: str
    args: str
    kwargs: str
    queue: str | None
    exchange: str | None
    routing_key: str | None
    headers: str | None
    priority: int | None
    expires: datetime | None
    expire_seconds: int | None
    one_off: bool
    start_time: datetime | None
    enabled: bool
    last_run_at: datetime | None
    total_run_count: int
    every: int | None
    period: str | None
    clocked_time: datetime | None
    is_solar: bool
    minute: str | None
    hour: str | None
    day_of_month: str | None
    month_of_year: str | None
    day_of_week: str | None
    timezone: str | None
    catch_up: str
    catch_up_window: timedelta
    overlap: str
    runs_again: bool
    paused_until: datetime | None
    skip_at: datetime | None

    @property
    def crontab(self) -> tuple[str, ...] | None:
        if self.minute is None:
            return None
        fields = (self.minute, self.hour, self.day_of_month, self.month_of_year, self.day_of_week, self.timezone)
        return tuple(field or "" for field in fields)

    @property
    def timing(self) -> str:
        """What its moments follow from: while this is the same, an edit does not touch them."""
        times = [time.isoformat() if time else None for time in (self.clocked_time, self.start_time)]
        return json.dumps([self.one_off, self.every, self.period, self.crontab, *times], separators=(",", ":"))

    @property
    def runs_once(self) -> bool:
        return self.one_off or self.clocked_time is not None

    def kind(self, phase: datetime) -> moments.Kind:
        """Its moments. Raises Broken."""
        kinds: list[moments.Kind] = []
        try:
            if self.is_solar:
                raise Broken(SOLAR)
            if self.every is not None:
                kinds.append(moments.Interval(period_of(self.every, self.period), phase))
            if self.crontab is not None:
                kinds.append(moments.Crontab(*self.crontab))
                moments.check(kinds[-1])
            if self.clocked_time is not None:
                kinds.append(moments.Clocked(self.clocked_time))
        except Broken:
            raise
        except ValueError as error:
            raise Broken(str(error)) from error
        if len(kinds) != 1:
            raise Broken(NO_KIND if not kinds else TWO_KINDS)
        return kinds[0]

    def message(self) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
        """Arguments, keyword arguments and headers of its job. Raises Broken."""
        return (
            parsed(self.args or "[]", list, "The positional arguments"),
            parsed(self.kwargs or "{}", dict, "The keyword arguments"),
            parsed_headers(self.headers or "{}"),
        )

    def is_observed(self, app: Celery) -> bool:
        """Whether our own workers take its job."""
        return not (self.exchange or self.routing_key) and (not self.queue or self.queue in own_queues(app))

    def check(self, phase: datetime, app: Celery | None = None) -> moments.Kind:
        """Its moments, if it can run at all. Raises Broken."""
        app = app or current_app
        kind = self.kind(phase)
        self.message()
        self.check_job(app)
        self.check_arguments(app)
        return kind

    def check_job(self, app: Celery) -> None:
        if self.task not in jobs(app) and self.is_observed(app):
            raise Broken(f"No job is named {self.task!r}.")

    def check_arguments(self, app: Celery) -> None:
        """Whether they fit the job, as far as its signature is known here."""
        job = jobs(app).get(self.task)
        if job is not None and job.typing:
            args, kwargs, _ = self.message()
            try:
                job.__header__(*args, **kwargs)
            except TypeError as error:
                raise Broken(f"The arguments do not fit the job: {error}.") from error


def queue_of(schedule: Definition, app: Celery) -> str:
    """The queue that its messages go to."""
    return schedule.queue or queue_of_job(schedule.task, app)  # Celery's router would remember the name for good


def queue_of_job(name: str, app: Celery) -> str:
    """The queue of a job whose schedule names none."""
    queue = app.amqp.router.route({}, name)["queue"]
    return str(getattr(queue, "name", queue))


def jobs(app: Celery) -> Mapping[str, Any]:
    """All jobs by name, also in a process that has had no reason to load them so far."""
    _load(app.loader)
    return app.tasks


@cache
def _load(loader: Any) -> None:
    loader.import_default_modules()


def own_queues(app: Celery) -> set[str]:
    return {queue.name for queue in app.conf.task_queues or ()} or {app.conf.task_default_queue}


def period_of(every: int, period: str | None) -> timedelta:
    if every < 1:
        raise Broken(f"An interval of {every} {period} is none.")
    try:
        return timedelta(**{period or "": every})
    except (TypeError, OverflowError) as error:
        raise Broken(f"An interval of {every} {period} cannot be reckoned with.") from error


def parsed(text: str, kind: type, what: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Broken(f"{what} are not JSON: {error}.") from error
    except RecursionError as error:
        raise Broken(f"{what} are nested too deeply.") from error
    if not isinstance(value, kind):
        raise Broken(f"{what} must be a JSON {'list' if kind is list else 'object'}.")
    return value


def parsed_headers(text: str) -> dict[str, Any]:
    headers: dict[str, Any] = parsed(text, dict, "The headers")
    if own := OWN_HEADERS & headers.keys():
        raise Broken(f"The header {min(own)!r} is Celery's own.")
    return headers


def definitions(rows: Iterable[tuple[Any, ...]]) -> list[Definition]:
    """From rows that begin with COLUMNS."""
    return [Definition(*row[: len(fields(Definition))]) for row in rows]
