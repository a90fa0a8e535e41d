"""What is wrong with a schedule that somebody wants to write: the sentences of the API and of the admin's forms.

Beat refuses the same (Definition.check), but later, and with the first of them alone.
"""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

from celery import Celery, current_app
from django.utils import timezone

from schedules import moments
from schedules.crontab_fields import NO_ZONE
from schedules.definitions import NO_KIND, SOLAR, TWO_KINDS, Broken, Definition, parsed, parsed_headers, period_of
from schedules.models import WINDOW, Policy

CRONTAB_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
KINDS = ("interval", "crontab", "clocked")

LARGEST = 2**31 - 1
"""What fits into the column of an interval."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""What lies long before leaves the calendar when zones are reckoned with."""

TWO_EXPIRIES = "Give either a moment of expiry or the seconds that a run is worth, not both."

BLANK = Definition(
    id=0, name="", task="", args="[]", kwargs="{}", queue=None, exchange=None, routing_key=None, headers="{}",
    priority=None, expires=None, expire_seconds=None, one_off=False, start_time=None, enabled=True, last_run_at=None,
    total_run_count=0, every=None, period=None, clocked_time=None, is_solar=False, minute=None, hour=None,
    day_of_month=None, month_of_year=None, day_of_week=None, timezone=None, catch_up=Policy.CatchUp.ONCE,
    catch_up_window=WINDOW, overlap=Policy.Overlap.COALESCE, runs_again=True, paused_until=None, skip_at=None,
)  # fmt: skip
"""A schedule that says nothing yet."""


def problems(definition: Definition, *, app: Celery | None = None) -> dict[str, str]:
    """What is wrong, by field as django-celery-beat names it; `crontab.minute` for a part; "" for the whole."""
    return {
        **_kind(definition),
        **_times(definition),
        **_job(definition, app or current_app),
        **_message(definition),
        **({"expire_seconds": TWO_EXPIRIES} if definition.expires and definition.expire_seconds is not None else {}),
    }


KIND_COLUMNS = {"every", "period", *CRONTAB_FIELDS, "timezone", "clocked_time", "is_solar"}

CONCERNS = {
    **dict.fromkeys(("", "solar", *KINDS), KIND_COLUMNS),
    "expire_seconds": {"expires", "expire_seconds"},
    "expires": {"expires"},
    "task": {"task", "queue", "exchange", "routing_key"},
    "args": {"args", "kwargs", "task"},
    **{name: {name} for name in ("kwargs", "headers", "start_time", "paused_until")},
}
"""What each problem follows from."""


def problems_of_change(before: Definition, after: Definition, *, app: Celery | None = None) -> dict[str, str]:
    """What is wrong with what was changed: a broken schedule can be mended in parts, or disabled, not enabled."""
    found = problems(after, app=app)
    if after.enabled and not before.enabled:
        return found
    changed = {each.name for each in fields(after) if getattr(after, each.name) != getattr(before, each.name)}
    return {field: text for field, text in found.items() if CONCERNS[field.partition(".")[0]] & changed}


def _kind(definition: Definition) -> dict[str, str]:
    given = [definition.every is not None, definition.minute is not None, definition.clocked_time is not None]
    kinds = [kind for kind, is_given in zip(KINDS, given, strict=True) if is_given]
    if definition.is_solar:
        return {"solar": SOLAR}
    if not kinds:
        return {"": NO_KIND}
    if len(kinds) > 1:
        return dict.fromkeys(kinds, TWO_KINDS)
    if definition.every is not None:
        return interval_problems(definition.every, definition.period)
    if definition.crontab is not None:
        return {f"crontab.{name}": text for name, text in crontab_problems(*definition.crontab).items()}
    return {}


def interval_problems(every: int, period: str | None) -> dict[str, str]:
    if every > LARGEST:
        return {"interval": f"An interval of {every} {period} is too long."}
    return _broken("interval", lambda: period_of(every, period))


def crontab_problems(*crontab: str) -> dict[str, str]:
    """What is wrong with minute, hour, … and the zone of a crontab, by field."""
    found: dict[str, str] = {}
    for name, value in zip(CRONTAB_FIELDS, crontab, strict=False):
        found |= _of_crontab(moments.Crontab(**{name: value}))
    if crontab[5] not in available_timezones() - {NO_ZONE}:
        found["timezone"] = f"{crontab[5]!r} is not a zone's name, such as Europe/Berlin or UTC."
    return found or _of_crontab(moments.Crontab(*crontab))


def _of_crontab(crontab: moments.Crontab) -> dict[str, str]:
    try:
        moments.check(crontab)
    except ValueError as error:
        name, _, text = str(error).partition(": ")
        return {name: text + "."}
    return {}


def _message(definition: Definition) -> dict[str, str]:
    return {
        **_broken("args", lambda: parsed(definition.args or "[]", list, "The positional arguments")),
        **_broken("kwargs", lambda: parsed(definition.kwargs or "{}", dict, "The keyword arguments")),
        **_broken("headers", lambda: parsed_headers(definition.headers or "{}")),
    }


def _times(definition: Definition) -> dict[str, str]:
    times = {
        "clocked": definition.clocked_time, "start_time": definition.start_time, "expires": definition.expires,
        "paused_until": definition.paused_until,
    }  # fmt: skip
    return {name: f"Give a moment after {EARLIEST:%Y}." for name, time in times.items() if time and time < EARLIEST}


def _job(definition: Definition, app: Celery) -> dict[str, str]:
    if not definition.task:
        return {}
    if unknown := _broken("task", lambda: definition.check_job(app)):
        return unknown
    if _message(definition):  # which is said of its own field
        return {}
    return _broken("args", lambda: definition.check_arguments(app))


def _broken(field: str, check: Callable[[], Any]) -> dict[str, str]:
    try:
        check()
    except Broken as broken:
        return {field: str(broken)}
    return {}


def fired_already(ran_at: datetime | None) -> str:
    """What to say to somebody who enables a schedule that was to run once, and has."""
    at = f", at {timezone.localtime(ran_at):%Y-%m-%d %H:%M %Z}" if ran_at else ""
    return f"It has run once{at}. Give it a new time, or use “run”."
