"""Time maths of due dates. Pure: no clock, no database.

What was meant is a local text (`Task.due_local`): a wall time, 2026-12-01T09:00:00, or for an all-day task a date,
2026-12-01; both in the task's zone. The instant follows from it by the rules of the zone, and follows again when a
government changes them. Where the zone is unknown the instant itself was meant: 2026-12-01T08:00:00Z.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from edges.zones import city, day_in_words, moment_in_words, zone_or_utc

EARLIEST_DUE = datetime(1900, 1, 1, tzinfo=UTC)
LATEST_DUE = datetime(9000, 1, 1, tzinfo=UTC)
"""A due date lies between these, so that no offset of a rule leads out of the calendar."""

LARGEST_CHANGE = timedelta(hours=3)
"""By how much a change of a zone's rules moves its midnight: an hour as a rule."""

FARTHEST = timedelta(hours=26)
"""From one side of the date line to the other: Samoa left out a day in 2011."""


def known_zone(name: str) -> ZoneInfo | None:
    """The zone of that name; None if there is none, which only SQL can bring into a task."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not such a name; a folder
        return None


def end_of_day(day: date, zone: str) -> datetime:
    """24:00 of a local day, which is 00:00 of the next, as a UTC instant.

    Where a clock change skips midnight, fold=0 takes the offset from before the gap: the first instant behind it.
    """
    return datetime.combine(day + timedelta(days=1), time(), zone_or_utc(zone)).astimezone(UTC)


def day_of(moment: datetime, zone: str) -> date:
    """The local day that an instant falls on."""
    return moment.astimezone(zone_or_utc(zone)).date()


def day_that_ends(moment: datetime, zone: str) -> date:
    """The local day that a normalised all-day due date is the end of."""
    return day_of(moment - timedelta(microseconds=1), zone)


def day_meant(local: str, due_at: datetime, zone: str) -> date:
    """The day of an all-day due date: what is kept of it, or what its instant says."""
    kept = re.fullmatch(r"\d{4}-\d\d-\d\d", local)
    return date.fromisoformat(local) if kept and instants_of(local, zone) else day_that_ends(due_at, zone)


def day_of_deadline(due_at: datetime, zone: str) -> date:
    """The day of a timed due date that becomes an all-day one: an instant that ends a day stays the end of that day."""
    day = day_that_ends(due_at, zone)
    return day if end_of_day(day, zone) == due_at else day_of(due_at, zone)


def local_of(due_at: datetime, zone: str, *, all_day: bool) -> str:
    """What is meant by a due date of which only the instant is known."""
    known = known_zone(zone)
    if known is None:
        return due_at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    if all_day:
        day = day_that_ends(due_at, zone)
        if end_of_day(day, zone) == due_at:  # SQL may have written an hour of the day
            return day.isoformat()
    return due_at.astimezone(known).replace(tzinfo=None).isoformat()


def instants_of(local: str, zone: str) -> tuple[datetime, ...]:
    """The UTC instants that a local text can mean: two where clocks are set back, else one.

    In a gap it is reckoned with the offset from before it. There is none where the zone is unknown or the text is no
    time, both of which only SQL can write.
    """
    known = known_zone(zone)
    if known is None or local.endswith("Z"):
        return ()
    try:
        if "T" not in local:
            return (end_of_day(date.fromisoformat(local), zone),)
        wall = datetime.fromisoformat(local).replace(tzinfo=known)
        first, second = wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
    except (ValueError, OverflowError):
        return ()
    return (first, second) if second > first else (first,)


def settled_local(local: str, due_at: datetime, zone: str, *, all_day: bool) -> str:
    """The local text if the instant is one that it can mean, else what the instant means by itself.

    The date of an all-day task is kept also where older rules have put its end some hours off.
    """
    instants = instants_of(local, zone)
    if all_day and "T" not in local and any(abs(each - due_at) <= LARGEST_CHANGE for each in instants):
        return local
    if not all_day and "T" in local and due_at in instants:
        return local
    return local_of(due_at, zone, all_day=all_day)


def instant_by_rules(local: str, due_at: datetime, zone: str) -> datetime:
    """The instant that a local text means by the rules of today: `due_at` itself if it is still one of those.

    No rules move a due date by more than a day, nor out of the calendar: a text that would does not belong to it.
    """
    instants = instants_of(local, zone)
    if not instants or due_at in instants:
        return due_at
    right = instants[0]
    is_likely = abs(right - due_at) <= FARTHEST and EARLIEST_DUE <= right < LATEST_DUE
    return right if is_likely else due_at


def local_under_older_rules(due_at: datetime, zone: str, *, all_day: bool) -> str:
    """What was meant by an instant that was reckoned by rules since changed.

    The end of a day is then not at midnight but some hours off, and the nearest midnight is the one that was meant. A
    timed due date came as an instant and still means that.
    """
    local = local_of(due_at, zone, all_day=all_day)
    if not all_day or local.endswith("Z") or "T" not in local:
        return local
    day = day_of(due_at - timedelta(hours=12), zone)
    return day.isoformat() if abs(end_of_day(day, zone) - due_at) <= LARGEST_CHANGE else local


def due_in_words(local: str, due_at: datetime, zone: str, now: datetime, *, all_day: bool) -> str:
    """For lists: Thu 3 Dec, 09:00 Berlin; or Thu 3 Dec, all day, Berlin."""
    if not all_day:
        return moment_in_words(due_at, zone, now)
    day = datetime.combine(day_meant(local, due_at, zone), time())
    return f"{day_in_words(day, now.astimezone(zone_or_utc(zone)))}, all day, {city(zone)}"
