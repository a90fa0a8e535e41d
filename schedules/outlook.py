"""A schedule as people see it: what it says, why it cannot run, when it runs next. Read for any number in one query."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, cast

from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from schedules import moments
from schedules.checks import BLANK, fired_already
from schedules.definitions import COLUMNS, PARAMETERS, TABLES, Broken, Definition
from schedules.statements import fetch

# Indexes: the primary keys.
OUTLOOKS = f"""
    SELECT {COLUMNS}, s.phase, s.timing, coalesce(s.has_fired, false), s.ran_at
    FROM {TABLES} LEFT JOIN schedules_schedulestate AS s ON s.schedule_id = t.id
    WHERE t.id = ANY(%(ids)s)
"""  # noqa: S608 (names of our own)


@dataclass(frozen=True)
class Outlook:
    definition: Definition
    phase: datetime | None = None
    """One of the moments of its interval, where beat has looked at it as it is now."""
    has_fired: bool = False
    """It is to run once, and has."""
    ran_at: datetime | None = None

    @cached_property
    def problem(self) -> str:
        """Why it cannot run; empty if it can."""
        try:
            self.definition.check(timezone.now())
        except Broken as broken:
            return str(broken)
        return ""

    @property
    def fired_already(self) -> str:
        return fired_already(self.ran_at or self.definition.last_run_at)

    @cached_property
    def next_run_at(self) -> datetime | None:
        """When it ticks next; None while it is disabled, broken or over."""
        found = self.next_runs(1)
        return found[0] if found else None

    def next_runs(self, count: int, *, is_skip_counted: bool = True) -> list[datetime]:
        """The next moments at which its job runs, as far as its definition says."""
        if self.has_fired or self.problem or not self.definition.enabled:
            return []
        found = upcoming(self.definition, phase=self.phase, count=count + 1)
        if is_skip_counted and self.definition.skip_at:
            found = [moment for moment in found if moment != self.definition.skip_at]
        return found[:count]


def upcoming(definition: Definition, *, phase: datetime | None = None, count: int = 5) -> list[datetime]:
    """The moments from now on of a schedule with this definition, if it is enabled. Raises Broken."""
    now = timezone.now()
    begin = definition.start_time and definition.start_time - timedelta.resolution
    after = max(filter(None, [now, begin, definition.paused_until]))
    kind = definition.kind(phase or definition.start_time or definition.last_run_at or now)
    found: list[datetime] = []
    moment = moments.after(kind, after)
    while moment and len(found) < (1 if definition.runs_once else count):
        if definition.expires and moment > definition.expires:
            break
        found.append(moment)
        moment = moments.after(kind, moment)
    return found


def outlooks(ids: Iterable[int]) -> dict[int, Outlook]:
    """Of the schedules that there are, by id."""
    rows = fetch(OUTLOOKS, {"ids": list(ids), **PARAMETERS})
    return {row[0]: _outlook(row) for row in rows}


def outlook_of(schedule: Any) -> Outlook:
    """As read for the whole page, or now."""
    if not hasattr(schedule, "outlook"):
        schedule.outlook = outlooks([schedule.pk]).get(schedule.pk, Outlook(BLANK))
    return cast(Outlook, schedule.outlook)


def with_outlooks(schedules: list[PeriodicTask]) -> list[PeriodicTask]:
    """Each with its outlook, in one query. A schedule that was deleted meanwhile is left out."""
    found = outlooks(schedule.pk for schedule in schedules)
    for schedule in schedules:
        schedule.outlook = found.get(schedule.pk)
    return [schedule for schedule in schedules if schedule.pk in found]


SIZE = len(fields(Definition))


def _outlook(row: tuple[object, ...]) -> Outlook:
    definition = Definition(*row[:SIZE])  # type: ignore[arg-type] # in the order of COLUMNS
    phase, timing, has_fired, ran_at = row[SIZE:]
    if timing is None:  # beat has not seen it, and takes over what another scheduler ran
        return Outlook(definition, has_fired=definition.runs_once and definition.total_run_count > 0)
    if timing != definition.timing:  # it has been edited, and is reckoned anew
        return Outlook(definition, ran_at=ran_at)  # type: ignore[arg-type]
    return Outlook(definition, phase, bool(has_fired), ran_at)  # type: ignore[arg-type]
