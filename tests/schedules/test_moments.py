"""When a schedule's moments are: each rule of schedules/moments.py by examples, and the table of docs/schedules.md."""

import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab as celery_crontab
from django.conf import settings

from schedules import moments
from schedules.crontab_fields import NoSuchMoment
from schedules.moments import (
    Clocked,
    Crontab,
    Interval,
    Missed,
    after,
    between,
    check,
    latest,
    missed,
    parse,
)

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)  # a Monday

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
SPRING = {BERLIN: date(2026, 3, 29), NEW_YORK: date(2026, 3, 8)}
AUTUMN = {BERLIN: date(2026, 10, 25), NEW_YORK: date(2026, 11, 1)}


def on(crontab: Crontab, day: date) -> list[str]:
    """Its moments on a local day, as local times with their offset, such as 02:30+0200."""
    zone = ZoneInfo(crontab.timezone)
    begin, end = (datetime.combine(each, time.min, zone).astimezone(UTC) for each in (day, day + DAY))
    found = between(crontab, begin - MICROSECOND, end - MICROSECOND, limit=2000)
    return [f"{moment.astimezone(zone):%H:%M%z}" for moment in found]


def clock(times: list[str]) -> list[str]:
    """Without the offset."""
    return [each[:5] for each in times]


# Intervals


def test_an_interval_keeps_its_phase():
    interval = Interval(timedelta(minutes=7), phase=NOON)

    assert after(interval, NOON + timedelta(minutes=100)) == NOON + timedelta(minutes=105)


def test_the_moment_itself_is_not_after_itself():
    interval = Interval(timedelta(minutes=7), phase=NOON)

    assert after(interval, NOON) == NOON + timedelta(minutes=7)
    assert after(interval, NOON - MICROSECOND) == NOON


def test_an_interval_has_moments_before_its_phase():
    interval = Interval(timedelta(days=2), phase=NOON)

    assert after(interval, NOON - 5 * DAY) == NOON - 4 * DAY
    assert latest(interval, NOON - 5 * DAY) == NOON - 6 * DAY


@pytest.mark.parametrize("microseconds", [1, 3, 7, 1_000_003])
def test_an_interval_is_exact_to_the_microsecond_over_centuries(microseconds):
    every = microseconds * MICROSECOND
    interval = Interval(every, phase=NOON)
    far = NOON + 10**15 * every if microseconds < 1000 else NOON + 10**9 * every

    assert after(interval, far) == far + every
    assert after(interval, far - MICROSECOND) == far
    assert latest(interval, far) == far


def test_an_interval_is_elapsed_time_also_where_clocks_are_changed():
    berlin = ZoneInfo(BERLIN)
    evening = datetime(2026, 3, 28, 18, tzinfo=berlin)

    moment = after(Interval(DAY, phase=evening), evening)

    assert moment is not None
    assert moment.astimezone(berlin).replace(tzinfo=None) == datetime(2026, 3, 29, 19)  # noqa: DTZ001 (its clock)


def test_the_phase_of_an_interval_may_be_told_in_any_zone():
    phase = datetime(2026, 6, 15, 14, tzinfo=ZoneInfo(BERLIN))

    assert Interval(HOUR, phase) == Interval(HOUR, NOON)


@pytest.mark.parametrize("every", [timedelta(), -MICROSECOND])
def test_an_interval_has_a_length(every):
    with pytest.raises(ValueError, match=r"^every: an interval must be longer than nothing$"):
        Interval(every, phase=NOON)


def test_an_interval_without_another_moment_before_the_calendar_ends_has_none_left():
    assert after(Interval(timedelta(days=999_999_999), phase=NOON), NOON) is None


# Clocked


def test_a_clocked_schedule_has_one_moment():
    clocked = Clocked(NOON)

    assert after(clocked, NOON - MICROSECOND) == NOON
    assert after(clocked, NOON) is None
    assert latest(clocked, NOON) == NOON
    assert latest(clocked, NOON - MICROSECOND) is None


# What a crontab's fields mean


@pytest.mark.parametrize(
    ("crontab", "expected"),
    [
        (Crontab(), "2026-06-15 12:01"),
        (Crontab("*/15"), "2026-06-15 12:15"),
        (Crontab("5,10-20/4,30"), "2026-06-15 12:05"),
        (Crontab("0", "*/5"), "2026-06-15 15:00"),
        (Crontab("0", "12"), "2026-06-16 12:00"),  # strictly after
        (Crontab("0", "22-2"), "2026-06-15 22:00"),  # a range may go round the end
        (Crontab("0", "0", "*/10"), "2026-06-21 00:00"),  # 1, 11, 21, 31
        (Crontab("0", "0", "31"), "2026-07-31 00:00"),  # June has none
        (Crontab("0", "0", "1", "feb"), "2027-02-01 00:00"),
        (Crontab("0", "0", day_of_week="sun"), "2026-06-21 00:00"),
        (Crontab("0", "0", day_of_week="0"), "2026-06-21 00:00"),
        (Crontab("0", "0", day_of_week="Monday"), "2026-06-22 00:00"),
        (Crontab("0", "0", day_of_week="sat-mon"), "2026-06-20 00:00"),
        (Crontab("0", "0", "13", day_of_week="fri"), "2026-11-13 00:00"),  # both must match
        (Crontab("0", "0", "1-7", "9", "mon"), "2026-09-07 00:00"),  # the first Monday of September
        (Crontab("0", "0", "29", "2"), "2028-02-29 00:00"),
        (Crontab("0", "0", "29", "2", "mon"), "2044-02-29 00:00"),
        (Crontab("0", "12", timezone="Asia/Kathmandu"), "2026-06-16 06:15"),
        (Crontab("0", "20", "15", timezone=NEW_YORK), "2026-06-16 00:00"),  # the day is that of the zone
    ],
    ids=str,
)
def test_the_next_moment_of_a_crontab(crontab, expected):
    moment = after(crontab, NOON)

    assert moment == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "fields",
    [("*/7", "1-23/3", "*/2", "2-12/2", "mon-fri"), ("0,5-9", "fri", "jan", "oct-feb", "sat-1"), ("50-10", *"****")],
)
def test_fields_mean_what_they_mean_in_celery(fields):
    minute, hour, day, month, weekday = fields
    theirs = celery_crontab(minute, hour, day_of_month=day, month_of_year=month, day_of_week=weekday)

    ours = parse(Crontab(*fields))

    assert list(ours.times) == sorted(60 * hour + minute for hour in theirs.hour for minute in theirs.minute)
    assert ours.days == (theirs.day_of_month, theirs.month_of_year, theirs.day_of_week)


def test_the_29_february_of_a_weekday_is_found_40_years_later():
    """2100 is no leap year."""
    crontab = Crontab("0", "0", "29", "2", "mon")
    this, following = datetime(2072, 2, 29, tzinfo=UTC), datetime(2112, 2, 29, tzinfo=UTC)

    assert after(crontab, this) == following
    assert latest(crontab, following - MICROSECOND) == this


def test_moments_are_at_full_local_minutes():
    moment = after(Crontab(timezone=BERLIN), NOON + timedelta(seconds=59, microseconds=999_999))

    assert moment == NOON + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"minute": "99"}, "minute: 99 is not between 0 and 59"),
        ({"minute": "50-60"}, "minute: 60 is not between 0 and 59"),
        ({"hour": "24"}, "hour: 24 is not between 0 and 23"),
        ({"day_of_month": "0"}, "day_of_month: 0 is not between 1 and 31"),
        ({"month_of_year": "13"}, "month_of_year: 13 is not between 1 and 12"),
        ({"day_of_week": "7"}, "day_of_week: 7 is not between 0 and 6"),
        ({"minute": ""}, "minute: '' cannot be read; write it like *, */5, 5, 1-5, 1-5/2 or 1,3"),
        ({"minute": "1,,2"}, "minute: '1,,2' cannot be read; write it like *, */5, 5, 1-5, 1-5/2 or 1,3"),
        ({"hour": "*/0"}, "hour: '*/0' cannot be read; write it like *, */5, 5, 1-5, 1-5/2 or 1,3"),
        ({"hour": "*/"}, "hour: '*/' cannot be read; write it like *, */5, 5, 1-5, 1-5/2 or 1,3"),
        ({"hour": "-1"}, "hour: '-1' cannot be read; write it like *, */5, 5, 1-5, 1-5/2 or 1,3"),
        ({"day_of_week": "noday"}, "day_of_week: 'noday' cannot be read; write it like *, */5, 5, 1-5, 1-5/2 or 1,3"),
        ({"timezone": "Mars/Base"}, "timezone: 'Mars/Base' is not a zone's name, such as Europe/Berlin or UTC"),
        ({"timezone": ""}, "timezone: '' is not a zone's name, such as Europe/Berlin or UTC"),
        ({"timezone": "America"}, "timezone: 'America' is not a zone's name, such as Europe/Berlin or UTC"),
        ({"timezone": "../UTC"}, "timezone: '../UTC' is not a zone's name, such as Europe/Berlin or UTC"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(fields, sentence):
    crontab = Crontab(**fields)

    for question in (lambda: check(crontab), lambda: after(crontab, NOON), lambda: latest(crontab, NOON)):
        with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
            question()


@pytest.mark.parametrize(("day", "month"), [("31", "2"), ("30-31", "feb"), ("31", "4,6,9,11,2")])
def test_a_day_that_never_comes_is_said_to(day, month):
    crontab = Crontab("0", "0", day, month)
    sentence = f"^day_of_month: {day} never comes in month_of_year {month}$"

    for question in (lambda: check(crontab), lambda: after(crontab, NOON), lambda: missed(crontab, NOON, NOON + DAY)):
        with pytest.raises(NoSuchMoment, match=sentence):
            question()


def test_a_crontab_has_no_moment_left_where_the_calendar_ends():
    assert after(Crontab("0", "0", "1", "1"), datetime(9999, 6, 1, tzinfo=UTC)) is None


def test_what_can_be_read_is_good():
    for good in (Crontab("30", "2", "31", "2,3", timezone=BERLIN), Interval(HOUR, NOON), Clocked(NOON)):
        check(good)


def test_a_time_without_a_zone_is_no_instant():
    naive = NOON.replace(tzinfo=None)

    for question in (
        lambda: after(Crontab(), naive),
        lambda: latest(Crontab(), naive),
        lambda: Interval(HOUR, naive),
        lambda: Clocked(naive),
    ):
        with pytest.raises(ValueError, match="has no zone, so it is no instant"):
            question()


# Where clocks are changed


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
class TestClocksGoForward:
    def test_a_time_that_is_left_out_happens_shifted_by_the_gap(self, zone):
        assert clock(on(Crontab("30", "2", timezone=zone), SPRING[zone])) == ["03:30"]

    def test_where_that_is_a_moment_anyway_the_two_are_one(self, zone):
        assert clock(on(Crontab("30", "*", timezone=zone), SPRING[zone]))[:3] == ["00:30", "01:30", "03:30"]
        assert len(on(Crontab("30", "*", timezone=zone), SPRING[zone])) == 23
        assert clock(on(Crontab("30", "2,3", timezone=zone), SPRING[zone])) == ["03:30"]

    @pytest.mark.parametrize("minute", ["*/15", "0,15,30,45"])
    def test_both_kinds_of_crontab_do_so(self, zone, minute):
        quarters = ["03:00", "03:15", "03:30", "03:45"]

        assert clock(on(Crontab(minute, "2", timezone=zone), SPRING[zone])) == quarters
        assert clock(on(Crontab(minute, "1-3", timezone=zone), SPRING[zone]))[4:] == quarters
        assert len(on(Crontab(minute, "1-3", timezone=zone), SPRING[zone])) == 8

    def test_the_day_that_counts_is_the_one_the_moment_was_meant_for(self, zone):
        crontab = Crontab("30", "2", SPRING[zone].strftime("%d"), timezone=zone)

        assert clock(on(crontab, SPRING[zone])) == ["03:30"]


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
class TestClocksGoBack:
    def test_a_wall_clock_schedule_happens_at_the_first_pass(self, zone):
        first_pass = {BERLIN: "+0200", NEW_YORK: "-0400"}[zone]
        repeated = "02:30" if zone == BERLIN else "01:30"
        minute, hour = repeated[3:], repeated[1]

        assert on(Crontab(minute, hour, timezone=zone), AUTUMN[zone]) == [repeated + first_pass]

    def test_a_wildcard_schedule_happens_at_both(self, zone):
        assert len(on(Crontab("30", "*", timezone=zone), AUTUMN[zone])) == 25

    @pytest.mark.parametrize(
        ("minute", "hour", "count"),
        [("*/15", "1-3", 16), ("0,15,30,45", "1-3", 12), ("5,*/15", "1-3", 20), ("30", "*/1", 25), ("30", "0-23", 24)],
    )
    def test_what_makes_a_wildcard_is_an_asterisk_in_the_minute_or_the_hour(self, zone, minute, hour, count):
        assert len(on(Crontab(minute, hour, timezone=zone), AUTUMN[zone])) == count

    def test_an_asterisk_in_another_field_makes_none(self, zone):
        crontab = Crontab("0,30", "1,2", "*/1", "*/1", "*/1", timezone=zone)

        assert len(on(crontab, AUTUMN[zone])) == 4


@pytest.mark.parametrize(
    ("crontab", "day", "expected"),
    [
        # Half an hour is left out, and another is there twice.
        (Crontab("10", "2", timezone="Australia/Lord_Howe"), "2026-10-04", "02:40+1100"),
        (Crontab("*/20", "2", timezone="Australia/Lord_Howe"), "2026-10-04", "02:30+1100 02:40+1100 02:50+1100"),
        (Crontab("45", "1", timezone="Australia/Lord_Howe"), "2026-04-05", "01:45+1100"),
        (Crontab("*/45", "1", timezone="Australia/Lord_Howe"), "2026-04-05", "01:00+1100 01:45+1100 01:45+1030"),
        # Two hours.
        (Crontab("30", "1", timezone="Antarctica/Troll"), "2026-03-29", "03:30+0200"),
        (Crontab("30", "1,2,3", timezone="Antarctica/Troll"), "2026-03-29", "03:30+0200 04:30+0200"),
        (Crontab("30", "1", timezone="Antarctica/Troll"), "2026-10-25", "01:30+0200"),
        # Midnight itself is left out, or is there twice.
        (Crontab("0", "0", timezone="Africa/Cairo"), "2026-04-24", "01:00+0300"),
        (Crontab("30", "23", timezone="Africa/Cairo"), "2026-10-29", "23:30+0300"),
        (Crontab("30", "*/23", timezone="Africa/Cairo"), "2026-10-29", "00:30+0300 23:30+0300 23:30+0200"),
        # Summer is the standard time, and clocks go back for the winter, or for Ramadan.
        (Crontab("30", "1", timezone="Europe/Dublin"), "2026-03-29", "02:30+0100"),
        (Crontab("30", "1", timezone="Europe/Dublin"), "2026-10-25", "01:30+0100"),
        (Crontab("30", "2", timezone="Africa/Casablanca"), "2026-02-15", "02:30+0100"),
        (Crontab("30", "2", timezone="Africa/Casablanca"), "2026-03-22", "03:30+0100"),
        # The last hour of a day is left out: 23:30 becomes 00:30 of the next day, which has a 23:30 of its own.
        (Crontab("30", "23", timezone="America/Scoresbysund"), "2025-03-30", "00:30-0100 23:30-0100"),
        # Clocks that change one minute past midnight.
        (Crontab("30", "0", timezone="America/St_Johns"), "2010-03-14", "01:30-0230"),
        (Crontab("0", "0", timezone="America/St_Johns"), "2010-11-07", "00:00-0230"),
        # A whole day is left out. The next day has its own moments, which are the same.
        (Crontab("30", "2", timezone="Pacific/Apia"), "2011-12-31", "02:30+1400"),
        (Crontab("30", "2", "30", "12", timezone="Pacific/Apia"), "2011-12-31", "02:30+1400"),
        # A day whose clocks change at its end, by more hours than are left of it.
        (Crontab("30", "23", timezone="Pacific/Kwajalein"), "1969-09-30", "23:30+1100"),
    ],
    ids=str,
)
def test_the_rules_hold_in_every_zone(crontab, day, expected):
    assert on(crontab, date.fromisoformat(day)) == expected.split()


def test_a_moment_shifted_into_the_next_day_is_found_also_by_who_asks_on_that_day():
    """At 23:00 of the 29th it was 00:00 of the 30th."""
    crontab = Crontab("30", "23", "29", timezone="America/Scoresbysund")
    past_midnight = datetime(2025, 3, 30, 0, 10, tzinfo=ZoneInfo("America/Scoresbysund"))

    assert after(crontab, past_midnight) == past_midnight + timedelta(minutes=20)
    assert latest(crontab, past_midnight + HOUR) == past_midnight + timedelta(minutes=20)


def test_the_table_of_the_documentation_is_true():
    page = Path(settings.BASE_DIR, "docs/schedules.md").read_text()
    rows = re.findall(r"^\| `(.+?)` +`(.+?)` \| (\S+/\S+) \| (\S+) \| (\d+) \| (.+?) \|$", page, re.MULTILINE)
    assert len(rows) >= 10

    for minute, hour, zone, day, count, excerpt in rows:
        found = on(Crontab(minute, hour, timezone=zone), date.fromisoformat(day))

        assert len(found) == int(count), (minute, hour, zone, day)
        assert excerpt.replace("…", "").strip() in " ".join(found), (minute, hour, zone, day)


# What was missed


def test_missed_tells_the_first_the_last_and_how_many():
    assert missed(Crontab("0", "*/6"), NOON, NOON + DAY) == Missed(NOON + 6 * HOUR, NOON + DAY, 4)


def test_a_span_begins_behind_its_start_and_holds_its_end():
    hourly = Crontab("0")

    assert missed(hourly, NOON, NOON + HOUR).count == 1
    assert missed(hourly, NOON - MICROSECOND, NOON + HOUR - MICROSECOND) == Missed(NOON, NOON, 1)
    assert missed(hourly, NOON, NOON) is None


def test_a_crontab_is_counted_up_to_the_limit_and_the_last_is_known_all_the_same():
    year = 365 * DAY

    assert missed(Crontab(), NOON, NOON + year) == Missed(NOON + timedelta(minutes=1), NOON + year, 1000, more=True)
    assert missed(Crontab("0"), NOON, NOON + 10 * HOUR, limit=10) == Missed(NOON + HOUR, NOON + 10 * HOUR, 10)
    assert missed(Crontab("0"), NOON, NOON + 11 * HOUR, limit=10) == Missed(
        NOON + HOUR, NOON + 11 * HOUR, 10, more=True
    )


def test_an_interval_is_always_counted_to_the_end():
    interval = Interval(MICROSECOND, phase=NOON + DAY)

    assert missed(interval, NOON, NOON + HOUR) == Missed(NOON + MICROSECOND, NOON + HOUR, 3_600_000_000)
    assert missed(Interval(HOUR, NOON), NOON, NOON + HOUR - MICROSECOND) is None


def test_a_clocked_schedule_is_missed_once():
    assert missed(Clocked(NOON), NOON - DAY, NOON + DAY) == Missed(NOON, NOON, 1)
    assert missed(Clocked(NOON), NOON, NOON + DAY) is None


def test_what_was_missed_for_a_year_is_not_walked_through_minute_by_minute(monkeypatch):
    asked = []
    monkeypatch.setattr(moments, "after", lambda *question: asked.append(question) or after(*question))

    missed(Crontab(), NOON, NOON + 365 * DAY, limit=100)

    assert len(asked) <= 102


@pytest.mark.parametrize(
    ("crontab", "expected"),
    [
        (Crontab(), "2026-06-15 12:00"),
        (Crontab("1"), "2026-06-15 11:01"),
        (Crontab("0", "0", "31", timezone=BERLIN), "2026-05-30 22:00"),
        (Crontab("*/2", "*", "1"), "2026-06-01 23:58"),
        (Crontab("0", "0", "29", "2", "mon"), "2016-02-29 00:00"),
    ],
    ids=str,
)
def test_the_latest_moment_of_a_crontab(crontab, expected):
    assert latest(crontab, NOON) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("crontab", [Crontab("30", "2", timezone=BERLIN), Crontab("*/20", timezone=BERLIN)])
def test_the_latest_moment_is_the_last_of_those_in_between(crontab):
    """Also in the hours around changes of clocks."""
    for day in (SPRING[BERLIN], AUTUMN[BERLIN]):
        start = datetime.combine(day, time.min, UTC) - DAY
        for minutes in range(0, 4 * 24 * 60, 43):
            until = start + timedelta(minutes=minutes)

            assert latest(crontab, until) == between(crontab, until - 2 * DAY, until, limit=1000)[-1]
