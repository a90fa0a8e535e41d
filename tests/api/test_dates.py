"""Due dates over the API: instants with a zone; an all-day task is due at the end of the local day."""

import pytest

from taskapp.models import Task
from tests.factories import make_task


def create(client, **fields) -> dict:
    response = client.post("/api/v1/tasks/", {"title": "x", **fields})
    assert response.status_code == 201, response.json()
    return response.json()


ENDS_OF_DAYS = [
    # An instant falls on a day of the zone, not on one of UTC or of its own offset.
    ("2026-03-01T12:00:00Z", "UTC", "2026-03-02T00:00:00Z"),
    ("2026-03-01T23:30:00Z", "Europe/Berlin", "2026-03-02T23:00:00Z"),
    ("2026-03-01T12:00:00Z", "Pacific/Kiritimati", "2026-03-02T10:00:00Z"),
    ("2026-03-01T12:00:00Z", "Pacific/Pago_Pago", "2026-03-02T11:00:00Z"),
    ("2026-03-01T00:00:00+01:00", "Europe/Berlin", "2026-03-01T23:00:00Z"),
    # A bare date is that day in the zone.
    ("2026-03-01", "UTC", "2026-03-02T00:00:00Z"),
    ("2026-03-01", "Asia/Kathmandu", "2026-03-01T18:15:00Z"),
    ("2024-02-29", "Europe/Berlin", "2024-02-29T23:00:00Z"),
    # Days of 23 and of 25 hours.
    ("2026-03-29", "Europe/Berlin", "2026-03-29T22:00:00Z"),
    ("2026-10-25", "Europe/Berlin", "2026-10-25T23:00:00Z"),
    # The clock skips midnight, 24:00 to 01:00: the day ends where the next begins.
    ("2018-11-03", "America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("2018-11-04", "America/Sao_Paulo", "2018-11-05T02:00:00Z"),
    ("2026-04-23", "Africa/Cairo", "2026-04-23T22:00:00Z"),
    # The clock goes back at midnight, 24:00 to 23:00: the day has 25 hours.
    ("2018-02-17", "America/Sao_Paulo", "2018-02-18T03:00:00Z"),
    # The clock goes back from 01:00 to 00:00, so 00:00 comes twice: the day ends the first time.
    ("2026-10-31", "America/Havana", "2026-11-01T04:00:00Z"),
    # Vancouver keeps its summer time for good, from November 2026 on.
    ("2026-11-27", "America/Vancouver", "2026-11-28T07:00:00Z"),
    ("2027-01-15", "America/Vancouver", "2027-01-16T07:00:00Z"),
    # The edges of what is accepted.
    ("1900-01-01", "UTC", "1900-01-02T00:00:00Z"),
    ("8999-12-30", "UTC", "8999-12-31T00:00:00Z"),
]


@pytest.mark.parametrize(("due_at", "zone", "end"), ENDS_OF_DAYS)
def test_an_all_day_task_is_due_at_the_end_of_the_local_day(alice, api, due_at, zone, end):
    made = create(api(alice), due_at=due_at, timezone=zone, all_day=True)

    assert (made["due_at"], made["timezone"], made["all_day"]) == (end, zone, True)


@pytest.mark.parametrize(("due_at", "zone", "end"), ENDS_OF_DAYS)
def test_an_all_day_task_that_is_put_back_as_it_was_fetched_does_not_drift(alice, api, due_at, zone, end):
    client = api(alice)
    task = create(client, due_at=due_at, timezone=zone, all_day=True)

    for _ in range(3):
        put = client.put(f"/api/v1/tasks/{task['id']}/", task)
        assert put.status_code == 200
        task = put.json()

    assert task["due_at"] == end


@pytest.mark.parametrize(
    ("due_at", "zone"),
    [
        ("8999-12-31", "UTC"),
        ("8999-12-31T23:59:59Z", "Pacific/Pago_Pago"),
        ("9999-12-31", "Pacific/Kiritimati"),
        ("1899-12-30", "UTC"),
        ("0001-01-01", "America/Juneau"),  # 15 hours ahead of UTC then, so it was the year 0 there
        ("0001-01-01", "Asia/Manila"),
    ],
)
def test_an_all_day_task_out_of_the_calendar_is_400(alice, api, due_at, zone):
    response = api(alice).post("/api/v1/tasks/", {"title": "x", "due_at": due_at, "timezone": zone, "all_day": True})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "due_at"


@pytest.mark.parametrize("change", [{"all_day": True}, {"due_at": "8999-12-31", "all_day": True}])
def test_a_change_out_of_the_calendar_is_400(alice, api, change):
    task = create(api(alice), due_at="8999-12-31T20:00:00Z")

    response = api(alice).patch(f"/api/v1/tasks/{task['id']}/", change)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "due_at"


@pytest.mark.parametrize("day", ["2026-02-30", "2026-13-01", "01.03.2026", "", "2026-03-01T09:00:00"])
def test_what_is_no_day_is_400(alice, api, day):
    response = api(alice).post("/api/v1/tasks/", {"title": "x", "due_at": day, "all_day": True})

    assert response.status_code == 400
    assert {error["field"] for error in response.json()["errors"]} == {"due_at"}


def test_a_bare_date_needs_a_good_zone_too(alice, api):
    body = {"title": "x", "due_at": "2026-03-01", "timezone": "Mars/Phobos", "all_day": True}

    response = api(alice).post("/api/v1/tasks/", body)

    assert response.status_code == 400
    assert {error["field"] for error in response.json()["errors"]} == {"timezone"}


def test_an_all_day_task_whose_zone_changes_stays_on_its_day(alice, api):
    task = create(api(alice), due_at="2026-03-01", timezone="Europe/Berlin", all_day=True)

    moved = api(alice).patch(f"/api/v1/tasks/{task['id']}/", {"timezone": "America/New_York"}).json()

    assert moved["due_at"] == "2026-03-02T05:00:00Z"


def test_a_task_that_becomes_an_all_day_one_is_due_at_the_end_of_its_day(alice, api):
    task = create(api(alice), due_at="2026-03-01T09:00:00Z", timezone="Europe/Berlin")

    whole = api(alice).patch(f"/api/v1/tasks/{task['id']}/", {"all_day": True}).json()
    moved = api(alice).patch(f"/api/v1/tasks/{task['id']}/", {"due_at": "2026-03-05"}).json()
    timed = api(alice).patch(f"/api/v1/tasks/{task['id']}/", {"all_day": False}).json()

    assert whole["due_at"] == "2026-03-01T23:00:00Z"
    assert moved["due_at"] == timed["due_at"] == "2026-03-05T23:00:00Z"


def test_a_due_date_is_an_instant_whatever_its_offset(alice, api):
    # 02:30 does not exist in Berlin on that day, and exists twice on this one: with an offset both are clear.
    gap = create(api(alice), due_at="2026-03-29T02:30:00+01:00", timezone="Europe/Berlin")
    overlap = create(api(alice), due_at="2026-10-25T02:30:00+01:00", timezone="Europe/Berlin")

    assert gap["due_at"] == "2026-03-29T01:30:00Z"
    assert overlap["due_at"] == "2026-10-25T01:30:00Z"


def test_a_change_of_something_else_leaves_a_due_date_that_a_bulk_write_set(alice, api):
    task = make_task(alice, all_day=True)

    api(alice).patch(f"/api/v1/tasks/{task.pk}/", {"title": "new"})

    assert Task.objects.get().due_at == task.due_at
