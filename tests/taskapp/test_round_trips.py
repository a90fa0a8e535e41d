"""A due date survives every round trip of its representations: a change and its reverse leave it as it was."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from accounts.validators import timezone_names
from taskapp.dates import end_of_day
from taskapp.models import Task
from taskapp.services import with_due_date_settled
from tests.factories import make_task

SAMOA_LEFT_OUT = date(2011, 12, 30)
ODD_ZONES = [
    "Pacific/Apia",  # left out a day, and kept summer time for ten years
    "Pacific/Kiritimati",  # left out a day, too
    "America/Havana",  # midnight comes twice
    "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut",  # midnight did not come at all
    "Australia/Lord_Howe",  # half an hour of summer time
    "Africa/Monrovia", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Pago_Pago", "UTC",
]  # fmt: skip
ODD_DAYS = [
    date(1994, 12, 31), date(1995, 1, 1), date(2011, 12, 29), date(2011, 12, 31), date(2018, 2, 17),
    date(2018, 11, 3), date(2026, 3, 28), date(2026, 3, 29), date(2026, 4, 23), date(2026, 10, 24),
    date(2026, 10, 25), date(2026, 10, 31),
]  # fmt: skip
ZONES = st.sampled_from(ODD_ZONES) | st.sampled_from(sorted(timezone_names()))
DAYS = st.sampled_from(ODD_DAYS) | st.dates(date(1901, 1, 1), date(2100, 1, 1))
INSTANTS = st.builds(
    lambda day, minutes: datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes),
    DAYS, st.integers(0, 24 * 60),
)  # fmt: skip


def changed(task: Task, **fields: Any) -> Task:
    """The task after such a change, as the services make it."""
    values = {name: getattr(task, name) for name in ("due_at", "due_local", "timezone", "all_day")}
    return Task(**{**values, **with_due_date_settled(task, fields)})


def due(task: Task) -> tuple[Any, ...]:
    return task.due_at, task.due_local, task.timezone, task.all_day


def is_left_out(day: date, zone: str) -> bool:
    return end_of_day(day, zone) == end_of_day(day - timedelta(days=1), zone)


def put_back(task: Task) -> Task:
    """What a client does that sends what it was given."""
    return changed(task, due_at=task.due_at, timezone=task.timezone, all_day=task.all_day)


@given(day=DAYS, zone=ZONES, other=ZONES)
@example(day=SAMOA_LEFT_OUT, zone="Pacific/Apia", other="UTC")
@settings(max_examples=300, deadline=None)
def test_a_day_stays_that_day(day, zone, other):
    task = changed(Task(), due_on=day, timezone=zone, all_day=True)

    assert (task.due_local, task.due_at) == (day.isoformat(), end_of_day(day, zone))
    assert due(put_back(task)) == due(task)
    assert due(changed(changed(task, timezone=other), timezone=zone)) == due(task)
    assert due(changed(changed(task, timezone=other, due_at=task.due_at), timezone=zone)) == due(task)


@given(day=DAYS, zone=ZONES, other=ZONES)
@settings(max_examples=300, deadline=None)
def test_a_day_that_becomes_an_instant_and_a_day_again_is_the_same_day(day, zone, other):
    assume(not is_left_out(day, zone))
    task = changed(Task(), due_on=day, timezone=zone, all_day=True)

    timed = changed(task, all_day=False)
    away = changed(changed(timed, timezone=other), timezone=zone)

    for instant in (timed, put_back(timed), away):
        assert instant.due_at == task.due_at
        assert due(changed(instant, all_day=True)) == due(task)
        assert due(changed(instant, all_day=True, due_at=instant.due_at)) == due(task)


def test_a_day_that_a_zone_left_out_ends_at_the_same_instant_after_that_round_trip():
    task = changed(Task(), due_on=SAMOA_LEFT_OUT, timezone="Pacific/Apia", all_day=True)

    assert changed(changed(task, all_day=False), all_day=True).due_at == task.due_at


@given(due_at=INSTANTS, zone=ZONES, other=ZONES)
@settings(max_examples=300, deadline=None)
def test_an_instant_stays_that_instant(due_at, zone, other):
    task = changed(Task(), due_at=due_at, timezone=zone, all_day=False)

    assert task.due_at == due_at
    assert due(put_back(task)) == due(task)
    assert due(changed(changed(task, timezone=other), timezone=zone)) == due(task)


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/Havana", "Europe/Berlin", "America/Los_Angeles"])
def test_the_api_gives_back_what_it_was_given(alice, api, zone):
    client, day = api(alice), "2026-12-03"
    task = client.post("/api/v1/tasks/", {"title": "x", "due_at": day, "all_day": True, "timezone": zone}).json()
    path = f"/api/v1/tasks/{task['id']}/"

    def due_after(**fields: Any) -> str:
        answer = client.patch(path, fields)
        assert answer.status_code == 200
        return str(answer.json()["due_at"])

    for _ in range(2):
        assert due_after(all_day=False) == task["due_at"]
        assert due_after(all_day=True) == task["due_at"]
        due_after(timezone="Asia/Tokyo")
        assert due_after(timezone=zone) == task["due_at"]
        assert client.put(path, client.get(path).json()).json()["due_at"] == task["due_at"]
    assert Task.objects.get().due_local == day


@pytest.mark.parametrize("change", [{"all_day": True}, {"timezone": "Europe/Berlin"}, {"all_day": False}])
@pytest.mark.parametrize("all_day", [True, False])
def test_a_zone_that_sql_has_written_and_nobody_knows_can_be_mended(alice, api, change, all_day):
    task = make_task(alice, due_at=datetime(2026, 12, 1, 8, tzinfo=UTC))
    Task.objects.update(timezone="Nowhere/Atall", all_day=all_day)

    answer = api(alice).patch(f"/api/v1/tasks/{task.pk}/", change)

    assert answer.status_code == 200
