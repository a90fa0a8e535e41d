"""Time maths of due dates. Pure: no clock, no database."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EARLIEST_DUE = datetime(1900, 1, 1, tzinfo=UTC)
LATEST_DUE = datetime(9000, 1, 1, tzinfo=UTC)
"""A due date lies between these, so that no offset of a rule leads out of the calendar."""


def midday(day: date, zone: str) -> datetime:
    """An instant that is surely on this local day. Not in UTC, where the first day would leave the calendar."""
    return datetime.combine(day, time(12), ZoneInfo(zone))


def end_of_day(day: date, zone: str) -> datetime:
    """24:00 of a local day, which is 00:00 of the next, as a UTC instant.

    Where a clock change skips midnight, fold=0 takes the offset from before the gap: the first instant behind it.
    """
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


def day_of(moment: datetime, zone: str) -> date:
    """The local day that an instant falls on."""
    return moment.astimezone(ZoneInfo(zone)).date()


def day_that_ends(moment: datetime, zone: str) -> date:
    """The local day that a normalised all-day due date is the end of."""
    return day_of(moment - timedelta(microseconds=1), zone)
