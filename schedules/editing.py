"""Schedules are written here: the API and the admin's actions call the same functions.

Only the columns that somebody wants to change are written. To save a whole PeriodicTask would write back an old
`last_run_at` and `total_run_count`, which beat keeps, and would wipe them where the schedule is disabled.

Rows of intervals and crontabs may be shared by several schedules, so a schedule is given another row; none is edited.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from schedules.checks import BLANK, CRONTAB_FIELDS
from schedules.definitions import Definition
from schedules.models import Policy
from schedules.outlook import outlooks

POLICY = {
    "catch_up": "catch_up", "catch_up_window": "window", "overlap": "overlap", "runs_again": "runs_again",
    "paused_until": "paused_until",
}  # fmt: skip
"""Fields of a Definition, and what they are in Policy."""

PLAIN = (
    "name", "task", "args", "kwargs", "queue", "headers", "priority", "expires", "expire_seconds", "one_off",
    "start_time", "enabled",
)  # fmt: skip
KIND = ("every", "period", *CRONTAB_FIELDS, "timezone", "clocked_time")


def create_schedule(definition: Definition, *, description: str = "") -> PeriodicTask:
    columns = {name: getattr(definition, name) for name in PLAIN}
    with transaction.atomic():
        # Not by save(), which looks for what checks.py has looked for.
        (schedule,) = PeriodicTask.objects.bulk_create(
            [PeriodicTask(**columns, **kind_rows(definition), description=description)]
        )
        change_policy(schedule, {name: getattr(definition, name) for name in POLICY})
        PeriodicTasks.update_changed()
    return schedule


def change_schedule(schedule: PeriodicTask, before: Definition, after: Definition, **more: Any) -> None:
    """Write what differs between the two, and the columns of `more`."""
    changed = {name: getattr(after, name) for name in PLAIN if getattr(after, name) != getattr(before, name)}
    if any(getattr(after, name) != getattr(before, name) for name in KIND):
        changed |= {"solar": None, **kind_rows(after)}
    with transaction.atomic():
        change_columns(schedule, {**changed, **more})
        policy = {name: getattr(after, name) for name in POLICY if getattr(after, name) != getattr(before, name)}
        change_policy(schedule, policy)


def change_columns(schedule: PeriodicTask, columns: Mapping[str, Any]) -> None:
    if columns:
        PeriodicTask.objects.filter(pk=schedule.pk).update(**columns, date_changed=timezone.now())
        PeriodicTasks.update_changed()


def change_policy(schedule: PeriodicTask, fields: Mapping[str, Any]) -> None:
    """From the fields of a Definition."""
    if fields:
        changed = {POLICY[name]: value for name, value in fields.items()}
        Policy.objects.update_or_create(schedule=schedule, defaults=changed)


def kind_rows(definition: Definition) -> dict[str, Any]:
    """The row of its kind, found or made; None for the other kinds."""
    rows: dict[str, Any] = {"interval": None, "crontab": None, "clocked": None}
    if definition.every is not None:
        rows["interval"] = _row(IntervalSchedule, every=definition.every, period=definition.period)
    if definition.minute is not None:
        rows["crontab"] = _row(
            CrontabSchedule, **{name: getattr(definition, name) for name in (*CRONTAB_FIELDS, "timezone")}
        )
    if definition.clocked_time is not None:
        rows["clocked"] = _row(ClockedSchedule, clocked_time=definition.clocked_time)
    return rows


def _row(model: Any, **fields: Any) -> Any:
    """There may be several that are alike, and any will do."""
    return model.objects.filter(**fields).order_by("pk").first() or model.objects.create(**fields)


def definition_of(schedule: PeriodicTask, like: Definition = BLANK) -> Definition:
    """What a schedule says that may not be saved yet; its policy and the rest are like another's."""
    crontab, interval = schedule.crontab, schedule.interval
    said: dict[str, Any] = {name: getattr(schedule, name) for name in (*PLAIN, "exchange", "routing_key")}
    said |= {name: getattr(crontab, name, None) for name in (*CRONTAB_FIELDS, "timezone")}
    if crontab is not None:
        said["timezone"] = getattr(crontab.timezone, "name", None) or str(crontab.timezone)
    said |= {
        "every": interval and interval.every,
        "period": interval and interval.period,
        "clocked_time": schedule.clocked and _utc(schedule.clocked.clocked_time),
        "is_solar": schedule.solar_id is not None,
        "start_time": _utc(schedule.start_time),
        "expires": _utc(schedule.expires),
    }
    return replace(like, **said)


def _utc(moment: datetime | None) -> datetime | None:
    """As beat reads it: its text is part of what a schedule's timing is known by."""
    return moment and moment.astimezone(UTC)


def enable_schedules(schedules: "QuerySet[PeriodicTask]") -> tuple[int, list[PeriodicTask]]:
    """Enable them; return how many that were, and those that were to run once, and have."""
    chosen = list(schedules)
    looks = outlooks(schedule.pk for schedule in chosen)
    over = [schedule for schedule in chosen if schedule.pk in looks and looks[schedule.pk].has_fired]
    wanted = {schedule.pk for schedule in chosen} - {schedule.pk for schedule in over}
    return _switch(PeriodicTask.objects.filter(pk__in=wanted), enabled=True), over


def disable_schedules(schedules: "QuerySet[PeriodicTask]") -> int:
    return _switch(PeriodicTask.objects.filter(pk__in=schedules.values("pk")), enabled=False)


def _switch(schedules: "QuerySet[PeriodicTask]", *, enabled: bool) -> int:
    count = schedules.exclude(enabled=enabled).update(enabled=enabled, date_changed=timezone.now())
    PeriodicTasks.update_changed()
    return count


def in_words(definition: Definition) -> str:
    """As django-celery-beat puts it: "every 5 seconds", "30 3 * * * (m/h/dM/MY/d) Europe/Berlin"."""
    if definition.every is not None:
        return str(IntervalSchedule(every=definition.every, period=definition.period))
    if definition.crontab is not None:
        minute, hour, *days, zone = definition.crontab
        return " ".join([minute, hour, *days, "(m/h/dM/MY/d)", zone])
    return str(ClockedSchedule(clocked_time=definition.clocked_time)) if definition.clocked_time else ""
