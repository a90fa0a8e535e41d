"""A day on the clocks of a zone, as stretches of minutes that have one offset from UTC each."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
MINUTES_OF_DAY = range(24 * 60)


class Stretch(NamedTuple):
    """Minutes of a local day, `end` not included, that have one offset from UTC; `is_repeat` in a second pass."""

    first: int
    end: int
    offset: timedelta
    is_repeat: bool


class LocalDay(NamedTuple):
    stretches: tuple[Stretch, ...]
    is_plain: bool
    """No clocks are changed on it or near it."""


@lru_cache(maxsize=2**14)
def local_day(zone: ZoneInfo, day: date) -> LocalDay:
    midnight = datetime.combine(day, time.min)
    offsets = {_offset(zone, midnight + days * DAY) for days in (-1, 0, 1, 2)}
    if len(offsets) == 1:
        return LocalDay((Stretch(0, len(MINUTES_OF_DAY), offsets.pop(), is_repeat=False),), is_plain=True)
    return LocalDay(tuple(_stretches(zone, midnight)), is_plain=False)


def _stretches(zone: ZoneInfo, midnight: datetime) -> Iterator[Stretch]:
    """In a gap, the offset of fold 0 is the one from before it, and that of fold 1 is greater; see PEP 495."""

    def offsets(minute: int) -> tuple[timedelta, timedelta]:
        local = midnight + minute * MINUTE
        return _offset(zone, local), _offset(zone, local.replace(fold=1))

    for (offset, second), run in groupby(MINUTES_OF_DAY, key=offsets):
        minutes = list(run)
        yield Stretch(minutes[0], minutes[-1] + 1, offset, is_repeat=False)
        if second < offset:
            yield Stretch(minutes[0], minutes[-1] + 1, second, is_repeat=True)


def _offset(zone: ZoneInfo, local: datetime) -> timedelta:
    return cast("timedelta", zone.utcoffset(local))
