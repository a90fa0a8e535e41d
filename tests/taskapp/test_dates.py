"""The time maths of due dates."""

from datetime import UTC, date, datetime
from zoneinfo import available_timezones

import pytest

from taskapp.dates import day_of, day_that_ends, end_of_day

DAYS = [
    date(1900, 1, 1),
    date(2011, 12, 29),
    date(2018, 11, 3),
    date(2026, 3, 29),
    date(2026, 10, 25),
    date(8999, 12, 30),
]


@pytest.mark.parametrize("day", DAYS)
def test_the_end_of_a_day_is_the_end_of_that_day_in_every_zone(day):
    for zone in available_timezones():
        end = end_of_day(day, zone)

        assert day_that_ends(end, zone) == day, zone
        assert day_of(end, zone) > day, zone


def test_a_day_that_a_zone_left_out_ends_with_the_one_before():
    # Samoa went from the 29th to the 31st of December 2011.
    assert end_of_day(date(2011, 12, 29), "Pacific/Apia") == datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert end_of_day(date(2011, 12, 30), "Pacific/Apia") == datetime(2011, 12, 30, 10, tzinfo=UTC)
