"""What a crontab's fields say: the times of day, the days, the zone. They mean what they mean in Celery."""

import re
from collections.abc import Iterator
from datetime import MAXYEAR, date, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from celery.schedules import ParseException, crontab_parser

MONTHS_AHEAD = 40 * 12 + 1
"""A 29 February that is a Monday comes again within 40 years, and nothing is rarer."""

NO_ZONE = "Factory"
"""A name in the zone database that says that nobody has chosen one."""

LONGEST_MONTH = {month: 29 if month == 2 else 30 if month in {4, 6, 9, 11} else 31 for month in range(1, 13)}


class NoSuchMoment(ValueError):  # noqa: N818 (the name says what is the case)
    """A schedule that has no moments, such as one for 31 February."""


class Days(NamedTuple):
    """The days on which a crontab has moments: all three must match. Sunday is 0."""

    of_month: frozenset[int]
    months: frozenset[int]
    of_week: frozenset[int]


class Fields(NamedTuple):
    """A crontab, expanded. Times are minutes of the day, in order."""

    times: tuple[int, ...]
    days: Days
    zone: ZoneInfo
    is_wildcard: bool


@lru_cache(maxsize=2**17)
def read(minute: str, hour: str, day_of_month: str, month_of_year: str, day_of_week: str, timezone: str) -> Fields:
    """What the fields say, remembered; ValueError if they cannot be read, NoSuchMoment if there are no moments."""
    return Fields(
        times=_times(minute, hour),
        days=_days(day_of_month, month_of_year, day_of_week),
        zone=_zone(timezone),
        is_wildcard="*" in minute or "*" in hour,
    )


@lru_cache(maxsize=2**13)
def _times(minute: str, hour: str) -> tuple[int, ...]:
    minutes = sorted(_numbers("minute", minute, 0, 59))
    return tuple(60 * each + minute for each in sorted(_numbers("hour", hour, 0, 23)) for minute in minutes)


@lru_cache(maxsize=2**13)
def _days(day_of_month: str, month_of_year: str, day_of_week: str) -> Days:
    days = Days(
        of_month=_numbers("day_of_month", day_of_month, 1, 31),
        months=_numbers("month_of_year", month_of_year, 1, 12),
        of_week=_numbers("day_of_week", day_of_week, 0, 6),
    )
    if min(days.of_month) > max(LONGEST_MONTH[month] for month in days.months):
        raise NoSuchMoment(f"day_of_month: {day_of_month} never comes in month_of_year {month_of_year}")
    return days


def _numbers(field: str, text: str, lowest: int, highest: int) -> frozenset[int]:
    try:
        return frozenset(crontab_parser(highest - lowest + 1, lowest).parse(text))
    except (ValueError, ParseException) as error:
        if out_of_range := re.match(r"Invalid (?:beginning|end) range: (\d+)", str(error)):
            raise ValueError(f"{field}: {out_of_range[1]} is not between {lowest} and {highest}") from error
        raise ValueError(f"{field}: {text!r} cannot be read; write it like *, */5, 5, 1-5, 1-5/2 or 1,3") from error


def _zone(name: str) -> ZoneInfo:
    try:
        if name == NO_ZONE:
            raise ValueError
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # unknown; not such a name; a folder
        raise ValueError(f"timezone: {name!r} is not a zone's name, such as Europe/Berlin or UTC") from error


@lru_cache(maxsize=2**14)
def _days_of_month(days: Days, year: int, month: int) -> tuple[date, ...]:
    if month not in days.months:
        return ()
    first = date(year, month, 1)
    whole = (first + timedelta(days=number - 1) for number in sorted(days.of_month))
    return tuple(day for day in whole if day.month == month and day.isoweekday() % 7 in days.of_week)


def days_from(days: Days, start: date) -> Iterator[date]:
    """The days that match, from `start` on."""
    now = start.year * 12 + start.month - 1
    for index in range(now, min(now + MONTHS_AHEAD, (MAXYEAR + 1) * 12)):
        for day in _days_of_month(days, index // 12, index % 12 + 1):
            if day >= start:
                yield day
