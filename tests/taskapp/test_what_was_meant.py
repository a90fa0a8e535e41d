"""What was meant by a due date is kept beside the instant, whoever writes it, and survives every way of writing."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.validators import timezone_names
from taskapp import services
from taskapp.dates import (
    end_of_day,
    instant_by_rules,
    instants_of,
    local_of,
    local_under_older_rules,
    settled_local,
)
from taskapp.models import Task
from tests.factories import make_task

VANCOUVER = "America/Vancouver"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("due_at", "zone", "all_day", "local"),
    [
        # Vancouver has been seven hours behind UTC all year since November 2026.
        ("2026-11-28T01:43:57Z", VANCOUVER, False, "2026-11-27T18:43:57"),
        ("2027-01-16T07:00:00Z", VANCOUVER, True, "2027-01-15"),
        ("2026-12-01T08:00:00Z", "Europe/Berlin", False, "2026-12-01T09:00:00"),
        ("2026-12-01T08:00:00.000001Z", "Europe/Berlin", False, "2026-12-01T09:00:00.000001"),
        # All day, but SQL has written an hour.
        ("2026-12-01T08:00:00Z", "Europe/Berlin", True, "2026-12-01T09:00:00"),
        # The same wall time, twice that night.
        ("2026-10-25T00:30:00Z", "Europe/Berlin", False, "2026-10-25T02:30:00"),
        ("2026-10-25T01:30:00Z", "Europe/Berlin", False, "2026-10-25T02:30:00"),
        # Only SQL can write a zone that does not exist: then the instant was meant.
        ("2026-12-01T08:00:00Z", "Nowhere/Atall", False, "2026-12-01T08:00:00Z"),
        ("2026-12-01T08:00:00Z", "America", True, "2026-12-01T08:00:00Z"),
        ("2026-12-01T08:00:00Z", "", False, "2026-12-01T08:00:00Z"),
    ],
)
def test_what_an_instant_means_in_its_zone(due_at, zone, all_day, local):
    assert local_of(at(due_at), zone, all_day=all_day) == local


@pytest.mark.parametrize(
    ("local", "zone", "instants"),
    [
        ("2026-11-27T18:43:57", VANCOUVER, {"2026-11-28T01:43:57Z"}),
        ("2027-01-15", VANCOUVER, {"2027-01-16T07:00:00Z"}),
        ("2026-10-25T02:30:00", "Europe/Berlin", {"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"}),
        # The clocks leave it out: no clock shows 02:30 at 00:30 UTC.
        ("2027-03-28T02:30:00", "Europe/Berlin", {"2027-03-28T01:30:00Z"}),
        ("2026-12-01T08:00:00Z", "Nowhere/Atall", set()),
        ("2026-02-30", "Europe/Berlin", set()),
        ("2026-13-01T09:00:00", "Europe/Berlin", set()),
    ],
)
def test_the_instants_that_a_wall_time_can_mean(local, zone, instants):
    assert set(instants_of(local, zone)) == {at(each) for each in instants}


def test_a_wall_time_that_the_clocks_leave_out_is_reckoned_from_before_the_gap():
    assert instants_of("2027-03-28T02:30:00", "Europe/Berlin")[0] == at("2027-03-28T01:30:00Z")


ZONES = st.sampled_from(sorted(timezone_names()))
FIRST, LAST = datetime(1901, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 (as st.datetimes wants them)
INSTANTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@given(due_at=INSTANTS, zone=ZONES, other=ZONES, all_day=st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_due_date_stays_where_it_is_however_often_it_is_reckoned(due_at, zone, other, all_day):
    if all_day:
        due_at = end_of_day(due_at.date(), zone)

    local = local_of(due_at, zone, all_day=all_day)

    assert due_at in instants_of(local, zone)
    assert instant_by_rules(local, due_at, zone) == due_at
    assert settled_local(local, due_at, zone, all_day=all_day) == local
    assert local_under_older_rules(due_at, zone, all_day=all_day) == local
    # There and back to another zone.
    away = settled_local(local, due_at, other, all_day=False)
    assert settled_local(away, due_at, zone, all_day=all_day) == local


@pytest.mark.parametrize("hours", [-2, -1, 1, 2])
def test_an_all_day_due_date_that_older_rules_put_beside_midnight_keeps_its_day(hours):
    wrong = end_of_day(date(2027, 1, 15), VANCOUVER) + timedelta(hours=hours)

    meant = local_under_older_rules(wrong, VANCOUVER, all_day=True)

    assert meant == "2027-01-15"
    assert instant_by_rules(meant, wrong, VANCOUVER) == at("2027-01-16T07:00:00Z")


def test_an_hour_of_the_day_that_sql_wrote_is_no_older_rules():
    due_at = at("2027-01-15T20:00:00Z")

    assert local_under_older_rules(due_at, VANCOUVER, all_day=True) == "2027-01-15T13:00:00"


def stored(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


BERLIN_AT_NINE = datetime(2026, 12, 1, 9, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.fixture
def task(alice) -> Task:
    return make_task(alice, due_at=BERLIN_AT_NINE, timezone="Europe/Berlin")


def test_a_task_that_is_saved_says_what_was_meant(task):
    assert stored(task).due_local == "2026-12-01T09:00:00"


def test_many_at_once_say_it_too(alice):
    Task.objects.bulk_create([Task(owner=alice, title="x", due_at=BERLIN_AT_NINE, timezone="Europe/Berlin")])

    assert Task.objects.get().due_local == "2026-12-01T09:00:00"


def test_a_task_without_a_due_date_says_nothing(alice, task):
    assert stored(make_task(alice, due_in_hours=None)).due_local == ""

    assert services.update_task(task, due_at=None).due_local == ""


@pytest.mark.parametrize(
    ("changes", "local"),
    [
        ({"due_at": BERLIN_AT_NINE + timedelta(days=1)}, "2026-12-02T09:00:00"),
        ({"timezone": "Europe/London"}, "2026-12-01T08:00:00"),
        ({"all_day": True}, "2026-12-01"),
        ({"all_day": True, "timezone": "Asia/Tokyo"}, "2026-12-01"),
        ({"title": "Another"}, "2026-12-01T09:00:00"),
    ],
)
def test_what_was_meant_follows_a_change(task, changes, local):
    assert services.update_task(task, **changes).due_local == local


def test_sql_that_moves_the_instant_leaves_it_to_be_reckoned(task):
    before = stored(task)
    Task.objects.update(due_at=BERLIN_AT_NINE + timedelta(hours=1))

    assert stored(task).due_local == ""
    assert services.fill_due_local() == 1
    after = stored(task)
    assert after.due_local == "2026-12-01T10:00:00"
    assert after.version == before.version + 1  # of the move alone


def test_what_is_filled_in_is_no_change_for_anybody(task):
    Task.objects.update(timezone="Europe/London")
    before = stored(task)

    services.fill_due_local()

    after = stored(task)
    assert (after.version, after.updated_at) == (before.version, before.updated_at)
    assert after.due_local == "2026-12-01T08:00:00"


def test_a_statement_that_names_it_keeps_it_though_the_value_is_the_same(task):
    """The same wall time in another zone: what was meant has not changed."""
    Task.objects.update(
        due_at=datetime(2026, 12, 1, 9, tzinfo=ZoneInfo("Europe/London")), timezone="Europe/London",
        due_local="2026-12-01T09:00:00",
    )  # fmt: skip

    assert stored(task).due_local == "2026-12-01T09:00:00"


def test_sql_that_takes_the_due_date_away_takes_both(task):
    Task.objects.update(due_at=None)

    assert stored(task).due_local == ""


def test_a_zone_that_does_not_exist_is_filled_in_once_and_holds_up_nothing(alice, task):
    Task.objects.update(timezone="Nowhere/Atall")

    assert services.fill_due_local() == 1
    assert services.fill_due_local() == 0
    assert stored(task).due_local == "2026-12-01T08:00:00Z"


def test_what_waits_is_found_by_an_index_of_its_own(alice, task):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        rows = Task.objects.filter(due_local="", due_at__isnull=False).order_by("pk")[:5000]
        assert "task_without_due_local" in rows.explain()
