"""Crontabs around every change of clocks that is to come, in every zone, and random ones.

What `after` says is compared with the rules taken literally (`Clock`), by a walk through the minutes that asks a zone
for nothing but the local time of an instant; and with cronsim, another implementation.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise, takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import pytest
from celery.schedules import crontab as celery_crontab
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules.crontab_fields import NoSuchMoment
from schedules.moments import Crontab, after, between, check, latest, missed

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


# Changes of clocks


class Change(NamedTuple):
    """At this instant the clocks go from one offset to another."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def gap(self) -> timedelta:
        """How much local time is left out; negative where it is there twice."""
        return self.after - self.before


def offset_at(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


@cache
def changes(zone: ZoneInfo, begin: int, end: int) -> tuple[Change, ...]:
    return tuple(find_changes(zone, begin, end))


def find_changes(zone: ZoneInfo, begin: int, end: int) -> Iterator[Change]:
    """Those of the years from `begin` to `end`, found by looking at the offset each day, and then ever more closely."""
    day = datetime(begin, 1, 1, tzinfo=UTC)
    before = offset_at(zone, day)
    while day.year <= end:
        if (later := offset_at(zone, day + DAY)) != before:
            low, high = day, day + DAY
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                low, high = (middle, high) if offset_at(zone, middle) == before else (low, middle)
            yield Change(high.replace(microsecond=0), before, later)
        day, before = day + DAY, later


@cache
def every_change() -> dict[Change, ZoneInfo]:
    """Each change of 2024 to 2030 in any zone. Zones that change at the same instant in the same way are one."""
    zones = [ZoneInfo(name) for name in sorted(available_timezones())]
    return {change: zone for zone in zones for change in changes(zone, 2024, 2030)}


CURIOUS = [
    ("Pacific/Apia", 2011),  # a whole day is left out
    ("Pacific/Fakaofo", 2011),
    ("Pacific/Kiritimati", 1994),  # so is the last of a year
    ("Pacific/Kwajalein", 1993),
    ("Pacific/Kwajalein", 1969),  # 23 hours are there twice
    ("America/St_Johns", 2010),  # one minute past midnight
    ("America/St_Johns", 1988),  # by two hours
    ("Asia/Pyongyang", 2015),  # by half an hour at midnight
    ("Asia/Kathmandu", 1985),  # by a quarter
    ("America/Caracas", 2016),
    ("Antarctica/Casey", 2010),  # by three hours
    ("Europe/Warsaw", 1915),
]


# The rules, taken literally

Matches = Callable[[datetime], bool]
"""Whether a schedule's fields match a local time."""


class Clock:
    """What the clocks of a zone show within `reach` of an instant: the instants of each local minute."""

    def __init__(self, zone: ZoneInfo, middle: datetime, reach: timedelta) -> None:
        self.begin, self.end = middle - reach, middle + reach
        nearby = changes(zone, middle.year - 1, middle.year + 1)
        self.gaps = [change for change in nearby if change.gap > timedelta()]
        widest = max((abs(change.gap) for change in nearby), default=timedelta())
        minutes = (reach + 2 * widest + HOUR) // MINUTE
        self.instants: dict[datetime, list[datetime]] = {}
        for number in range(-minutes, minutes):
            instant = middle + number * MINUTE
            self.instants.setdefault(instant.astimezone(zone).replace(tzinfo=None), []).append(instant)

    def moments(self, matches: Matches, *, is_wildcard: bool) -> list[datetime]:
        """Every moment in its span. This is the policy; it is to be read beside that of schedules/moments.py."""
        found: set[datetime] = set()
        local, last = min(self.instants), max(self.instants)
        while local <= last:
            if matches(local):
                passes = self.instants.get(local) or [self.shifted(local)]
                found.update(passes if is_wildcard else passes[:1])
            local += MINUTE
        return sorted(moment for moment in found if self.begin < moment <= self.end)

    def shifted(self, local: datetime) -> datetime:
        """When a local time happens that no clock shows."""
        for gap in self.gaps:
            left_out_from = (gap.at + gap.before).replace(tzinfo=None)
            if left_out_from <= local < left_out_from + gap.gap:
                return gap.at + (local - left_out_from)
        raise AssertionError(f"no clock shows {local}, and no gap leaves it out")


# Every change of clocks


def at(hours: range | set[int], minutes: range | set[int]) -> Matches:
    times = {60 * hour + minute for hour in hours for minute in minutes}
    return lambda local: 60 * local.hour + local.minute in times


HOURS, QUARTERS = range(24), range(0, 60, 15)

DAILY: dict[tuple[str, str], tuple[Matches, bool]] = {  # minute and hour; what they say; whether both passes count
    ("30", "*"): (at(HOURS, {30}), True),
    ("*/15", "*"): (at(HOURS, QUARTERS), True),
    ("*/15", "1-3"): (at({1, 2, 3}, QUARTERS), True),
    ("0,15,30,45", "1-3"): (at({1, 2, 3}, QUARTERS), False),
    ("30", "2"): (at({2}, {30}), False),
    ("0", "0"): (at({0}, {0}), False),
    ("0", "12"): (at({12}, {0}), False),
}


def in_the_middle(change: Change) -> datetime:
    """A local time that the change leaves out or repeats."""
    middle = change.at + min(change.before, change.after) + abs(change.gap) / 2
    return middle.replace(second=0, tzinfo=None)


def around(change: Change) -> dict[tuple[str, str], tuple[Matches, bool]]:
    """Those, and two that run in the middle of what the change leaves out or repeats."""
    middle = in_the_middle(change)
    hour, minute = middle.hour, middle.minute
    return DAILY | {
        (f"{minute}", f"{hour}"): (at({hour}, {minute}), False),
        (f"{minute},*/50", f"{hour}"): (at({hour}, {minute, 0, 50}), True),
    }


def differences(change: Change, zone: ZoneInfo, reach: timedelta) -> list[str]:
    clock = Clock(zone, change.at.replace(second=0), reach)
    return [
        f"{minute} {hour} in {zone.key} around {change.at}"
        for (minute, hour), (matches, is_wildcard) in around(change).items()
        if between(Crontab(minute, hour, timezone=zone.key), clock.begin, clock.end, limit=5000)
        != clock.moments(matches, is_wildcard=is_wildcard)
    ]


def test_the_rules_hold_at_every_change_of_clocks_that_is_to_come():
    assert len(every_change()) > 300

    wrong = [each for change, zone in every_change().items() for each in differences(change, zone, reach=14 * HOUR)]

    assert wrong == []


@pytest.mark.parametrize(("name", "year"), CURIOUS)
def test_the_rules_hold_at_curious_changes_of_the_past(name, year):
    zone = ZoneInfo(name)

    curious = changes(zone, year, year)

    assert curious
    assert [each for change in curious for each in differences(change, zone, reach=4 * DAY)] == []


def test_a_wall_clock_schedule_happens_once_for_each_day():
    """At its time, or if the clocks leave that out, later by what they leave out."""
    for change, zone in every_change().items():
        for local in {in_the_middle(change), *(datetime(2026, 1, 1, hour) for hour in range(24))}:  # noqa: DTZ001 (local)
            crontab = Crontab(str(local.minute), str(local.hour), timezone=zone.key)
            shown = [
                moment.astimezone(zone).replace(tzinfo=None)
                for moment in between(crontab, change.at - 3 * DAY, change.at + 3 * DAY, limit=10)
            ]

            meant = [each if each.time() == local.time() else each - change.gap for each in shown]

            assert {each.time() for each in meant} == {local.time()}, (crontab, change)
            assert {later - earlier for earlier, later in pairwise(meant)} == {DAY}, (crontab, change)
            assert len(shown) in {5, 6, 7}
            assert sum(each != time for each, time in zip(meant, shown, strict=True)) <= 1


def test_an_hourly_wildcard_schedule_happens_each_hour_of_elapsed_time():
    """Where clocks are changed by whole hours; where half an hour is left out it may be sooner."""
    for change, zone in every_change().items():
        for minute in (0, 30, in_the_middle(change).minute):
            hourly = between(Crontab(str(minute), timezone=zone.key), change.at - DAY, change.at + DAY, limit=60)

            spans = {later - earlier for earlier, later in pairwise(hourly)}

            if change.gap % HOUR == timedelta():
                assert spans == {HOUR}, (zone, change)
            elif change.gap > timedelta():
                assert max(spans) == HOUR, (zone, change)


# Random crontabs

ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "America/Santiago", "America/Havana",
        "America/Asuncion", "America/Nuuk", "America/Scoresbysund", "Atlantic/Azores", "Africa/Cairo", "Asia/Beirut",
        "Africa/Casablanca", "Africa/El_Aaiun", "Europe/Dublin", "Asia/Gaza", "Asia/Kathmandu", "Asia/Jerusalem",
        "Australia/Adelaide", "Antarctica/Troll", "Pacific/Norfolk", "Pacific/Easter",
        "Australia/Lord_Howe", "Pacific/Chatham",
    )
]  # fmt: skip

OFF_THE_HOUR = {"Australia/Lord_Howe", "Pacific/Chatham"}
"""Clocks are changed by half an hour, or at a quarter to."""


def numbers(lowest: int, highest: int, names: str = "") -> st.SearchStrategy[str]:
    """A part of a field as both Celery and cronsim read it: 5, mon, 1-5 or 1-5/2."""
    number = st.integers(lowest, highest)
    ends = st.lists(number, min_size=2, max_size=2, unique=True).map(sorted)
    named = [st.sampled_from(names.split())] if names else []
    return st.one_of(
        number.map(str),
        ends.map("{0[0]}-{0[1]}".format),
        st.builds("{0[0]}-{0[1]}/{1}".format, ends, st.integers(1, 5)),
        *named,
    )


def stars(highest: int) -> st.SearchStrategy[str]:
    return st.just("*") | st.integers(1, highest // 2).map("*/{}".format)


def field(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.one_of(*parts), min_size=1, max_size=3).map(",".join)


MINUTES, HOURS_OF_DAY = numbers(0, 59), numbers(0, 23)
DAYS, WEEKDAYS = numbers(1, 31), numbers(0, 6, "sun mon tue wed thu fri sat")
MONTHS = numbers(1, 12, "jan feb mar apr may jun jul aug sep oct nov dec")

TIMES = st.one_of(
    st.tuples(field(MINUTES), field(HOURS_OF_DAY)),  # wall-clock
    st.tuples(field(MINUTES), field(HOURS_OF_DAY)),
    st.tuples(field(MINUTES, stars(59)), field(HOURS_OF_DAY, stars(23))),
    st.tuples(field(MINUTES), st.just("*")),
    st.tuples(st.integers(2, 50).map("*/{}".format), field(HOURS_OF_DAY)),
)
ON_DAYS = st.one_of(
    st.just(("*", "*", "*")),
    st.tuples(field(DAYS), st.just("*"), field(WEEKDAYS)),
    st.tuples(field(DAYS), field(MONTHS), field(WEEKDAYS)),
    st.tuples(field(DAYS, stars(31)), field(MONTHS, stars(12)), field(WEEKDAYS, stars(6))),
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Crontab, ZoneInfo, datetime]:
    """A crontab and an instant, which is often in the days around a change of clocks."""
    zone = draw(st.sampled_from(ZONES))
    seconds = timedelta(microseconds=draw(st.sampled_from([0, 0, 1, 59_999_999])))
    near = changes(zone, 2024, 2040)
    if near and draw(st.integers(0, 3)):
        instant = draw(st.sampled_from(near)).at + draw(st.integers(-2 * 24 * 60, 24 * 60)) * MINUTE
    else:
        instant = datetime(2024, 1, 1, tzinfo=UTC) + draw(st.integers(0, 17 * 365 * 24 * 60)) * MINUTE
    return Crontab(*draw(TIMES), *draw(ON_DAYS), timezone=zone.key), zone, instant + seconds


RANDOM = settings(derandomize=True, database=None, deadline=None)


def is_wildcard(crontab: Crontab) -> bool:
    return "*" in crontab.minute + crontab.hour


def matches_in_celery(crontab: Crontab) -> Matches:
    fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    read = celery_crontab(**{name: getattr(crontab, name) for name in fields})
    return lambda local: (
        local.minute in read.minute
        and local.hour in read.hour
        and local.day in read.day_of_month
        and local.month in read.month_of_year
        and local.isoweekday() % 7 in read.day_of_week
    )


def has_moments(crontab: Crontab) -> bool:
    try:
        check(crontab)
    except NoSuchMoment:
        return False
    return True


def test_a_random_crontab_has_the_moments_of_the_rules_around_a_random_instant():
    seen: Counter[str] = Counter()

    @settings(RANDOM, max_examples=300)
    @given(questions())
    def answers_are_right(question: tuple[Crontab, ZoneInfo, datetime]) -> None:
        crontab, zone, instant = question
        if not has_moments(crontab):
            with pytest.raises(ValueError, match="never occurs in"):
                matches_in_celery(crontab)
            return
        clock = Clock(zone, instant.replace(second=0, microsecond=0), reach=12 * HOUR)

        moments = clock.moments(matches_in_celery(crontab), is_wildcard=is_wildcard(crontab))

        assert between(crontab, clock.begin, clock.end, limit=5000) == moments
        following = after(crontab, instant)
        assert following is not None
        assert following == next((each for each in moments if each > instant), following) > instant
        assert following > clock.end or following in moments
        if moments:
            assert latest(crontab, clock.end) == moments[-1]
            assert missed(crontab, clock.begin, clock.end, limit=3).last == moments[-1]
        seen.update(has_some=bool(moments), is_near=any(clock.begin < each.at < clock.end for each in clock.gaps))

    answers_are_right()

    assert seen["has_some"] > 100
    assert seen["is_near"] > 50


# Against cronsim


def theirs(crontab: Crontab, zone: ZoneInfo, instant: datetime) -> Iterator[datetime]:
    """The moments after the instant as cronsim sees them, told in our terms where its language differs from Celery's.

    - Of two restricted kinds of day it wants either, as Vixie's cron does; Celery wants both. It has a switch for that,
      which it sets by the first character of the fields.
    - It takes a schedule for a wildcard only if a field begins with `*`. So `5,*/15` is told to it as `*/15,5`.
    - It walks through a wall-clock schedule without a zone, so in the second pass of a repeated hour it begins with the
      rest of the first, which is over.
    """
    minute, hour = (",".join(sorted(field.split(","))) for field in (crontab.minute, crontab.hour))  # "*" sorts first
    try:
        simulation = CronSim(
            f"{minute} {hour} {crontab.day_of_month} {crontab.month_of_year} {crontab.day_of_week}",
            instant.astimezone(zone),
        )
    except CronSimError:  # no such day
        return
    simulation.day_and = True
    for moment in simulation:
        if (utc := moment.astimezone(UTC)) > instant:
            yield utc


def test_a_random_crontab_has_the_moments_that_cronsim_sees():
    """But for those that clocks leave out in spring.

    cronsim moves a wall-clock moment to the end of the gap and leaves a wildcard's out, where ours are shifted by the
    length of the gap; so what happens in the gap's length after the change is compared with the rules (above), not with
    cronsim. And it takes a wildcard from hour to hour by steps of an hour of elapsed time, which miss part of an hour
    where clocks are changed by half an hour or off the hour; there only wall-clock schedules are compared.
    """
    seen: Counter[str] = Counter()

    @settings(RANDOM, max_examples=400)
    @given(questions())
    def both_agree(question: tuple[Crontab, ZoneInfo, datetime]) -> None:
        crontab, zone, instant = question
        if is_wildcard(crontab) and zone.key in OFF_THE_HOUR:
            return
        if not has_moments(crontab):
            assert next(theirs(crontab, zone, instant), None) is None
            return
        end = instant + timedelta(days=45 * 366)
        ours = between(crontab, instant, end, limit=40)
        last = ours[-1]
        assert len(ours) == 40 or (following := after(crontab, last)) is None or following > end
        theirs_too = list(takewhile(lambda moment: moment <= last, theirs(crontab, zone, instant)))
        near = [each for each in changes(zone, 2024, 2086) if instant < each.at < last]

        def is_left_out(moment: datetime) -> bool:
            return any(each.at <= moment < each.at + each.gap for each in changes(zone, 2024, 2086))

        assert [each for each in ours if not is_left_out(each)] == [
            each for each in theirs_too if not is_left_out(each)
        ]
        seen.update(
            compared=True,
            over_a_gap=any(each.gap > timedelta() for each in near),
            over_an_overlap=any(each.gap < timedelta() for each in near),
            of_two_kinds_of_day="*" not in crontab.day_of_month + crontab.day_of_week,
            wall_clock=not is_wildcard(crontab),
        )

    both_agree()

    assert seen["compared"] > 300
    assert min(seen.values()) > 60, seen
