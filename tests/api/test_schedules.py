"""`/api/v1/schedules/`: what is shown, made and changed. For staff."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from schedules.models import Policy, ScheduleState
from schedules.outlook import outlooks

URL = "/api/v1/schedules/"
JOB = "reminders.send_due_soon"


def body(**fields) -> dict:
    """A schedule that can be made; None leaves a field out."""
    fields = {"name": "mine", "job": JOB, "crontab": {"minute": "30", "hour": "3"}, **fields}
    return {name: value for name, value in fields.items() if value is not ...}


@pytest.fixture
def client(staff, api):
    return api(staff)


@pytest.fixture
def nightly(db) -> PeriodicTask:
    crontab = CrontabSchedule.objects.create(minute="30", hour="3", timezone="UTC")
    return PeriodicTask.objects.create(name="nightly", task=JOB, crontab=crontab)


def address(schedule: PeriodicTask, more: str = "") -> str:
    return f"{URL}{schedule.pk}/{more}"


def refused(response) -> dict[str, str]:
    """Of a 400: what it says about each field."""
    assert response.status_code == 400, response.json()
    problem = response.json()
    return {each["field"]: each["detail"] for each in problem.get("errors", [{"field": "", **problem}])}


# What is shown


def test_the_default_schedule_is_there_with_its_next_run(client):
    shown = client.get(f"{URL}?search=due-soon").json()["results"][0]

    assert shown == {
        **shown, "name": "due-soon-reminders", "job": JOB, "schedule": "every minute", "problem": "",
        "enabled": True, "last_run_at": None, "total_run_count": 0, "interval": {"every": 1, "period": "minutes"},
        "crontab": None, "clocked_at": None, "catch_up": "once", "catch_up_window": 604800, "overlap": "coalesce",
        "runs_again": True, "paused_until": None, "skip_at": None,
    }  # fmt: skip
    assert shown["next_run_at"] is not None


def test_each_field_that_was_written_is_shown(client):
    fields = body(
        job="theirs", interval={"every": 5, "period": "seconds"}, crontab=..., description="two\nlines",
        enabled=False, one_off=True,
        start_time="2030-01-01T00:00:00Z", expires="2031-01-01T00:00:00Z", args=[1, "two", None],
        kwargs={"three": [3]}, headers={"x": "y"}, queue="theirs", priority=9, catch_up="all", catch_up_window=60,
        overlap="queue", runs_again=False, paused_until="2030-02-01T00:00:00Z",
    )  # fmt: skip

    response = client.post(URL, fields)

    made = response.json()
    assert response.status_code == 201
    assert response["Location"].endswith(f"{URL}{made['id']}/")
    assert made == {**made, **fields, "schedule": "every 5 seconds", "problem": "", "next_run_at": None}
    assert client.get(f"{URL}{made['id']}/").json() == made


def test_a_crontabs_missing_fields_are_stars_in_the_zone_of_the_installation(client, settings):
    settings.TIME_ZONE = "Europe/Berlin"

    made = client.post(URL, body(crontab={"hour": "3"})).json()

    assert made["crontab"] == {
        "minute": "*", "hour": "3", "day_of_month": "*", "month_of_year": "*", "day_of_week": "*",
        "timezone": "Europe/Berlin",
    }  # fmt: skip
    assert made["schedule"] == "* 3 * * * (m/h/dM/MY/d) Europe/Berlin"


def test_rows_of_intervals_and_crontabs_are_shared_and_never_edited(client):
    made = [client.post(URL, body(name=name)).json()["id"] for name in ("a", "b")]
    assert CrontabSchedule.objects.filter(minute="30", hour="3").count() == 1

    client.patch(f"{URL}{made[0]}/", {"crontab": {"minute": "31", "hour": "3"}})

    a, b = (PeriodicTask.objects.get(pk=pk).crontab for pk in made)
    assert (a.minute, b.minute) == ("31", "30")


def test_a_clocked_schedule_runs_once_without_being_told(client):
    moment = timezone.now() + timedelta(days=3)

    made = client.post(URL, body(crontab=..., clocked_at=moment.isoformat())).json()

    assert made["one_off"] is True
    assert datetime.fromisoformat(made["next_run_at"]) == moment == datetime.fromisoformat(made["clocked_at"])
    assert client.patch(f"{URL}{made['id']}/", {"one_off": False}).json()["one_off"] is True


def test_a_job_for_workers_of_others_need_not_be_known(client):
    assert client.post(URL, body(job="theirs", queue="theirs")).json()["problem"] == ""


@pytest.mark.parametrize("fields", [{"enabled": False}, {"expires": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_a_schedule_that_is_off_or_over_has_no_next_run(client, nightly, fields):
    PeriodicTask.objects.filter(pk=nightly.pk).update(**fields)

    assert client.get(address(nightly)).json()["next_run_at"] is None


def test_a_schedule_that_has_not_begun_runs_first_when_it_does(client, nightly):
    begin = (timezone.now() + timedelta(days=3)).replace(hour=3, minute=30, second=0, microsecond=0)
    PeriodicTask.objects.filter(pk=nightly.pk).update(start_time=begin)

    assert datetime.fromisoformat(client.get(address(nightly)).json()["next_run_at"]) == begin


def test_what_cannot_run_says_why(client, nightly):
    solar = SolarSchedule.objects.create(event="sunset", latitude=1, longitude=1)
    PeriodicTask.objects.filter(pk=nightly.pk).update(crontab=None, solar=solar)
    other = PeriodicTask.objects.create(name="z", task="gone", interval=IntervalSchedule.objects.first())

    shown = client.get(address(nightly)).json()

    assert shown["problem"] == "Solar schedules are not supported; use a crontab."
    assert shown["schedule"] == "Sunset (1.000000, 1.000000)"
    assert client.get(address(other)).json()["problem"] == "No job is named 'gone'."


@pytest.mark.parametrize("zone", ["Mars/Phobos", "America", "", "../etc"])
def test_a_zone_that_nobody_knows_breaks_its_own_schedule_alone(client, nightly, zone):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_celery_beat_crontabschedule SET timezone = %s", [zone])

    shown = client.get(address(nightly)).json()

    assert "is not a zone's name" in shown["problem"]
    assert (shown["crontab"]["timezone"], shown["next_run_at"]) == (zone, None)
    assert client.get(URL).status_code == 200
    assert client.patch(address(nightly), {"enabled": False}).status_code == 200
    assert client.patch(address(nightly), {"crontab": {"hour": "3"}}).json()["problem"] == ""


@pytest.mark.parametrize(
    "columns",
    [{"args": "{}"}, {"args": "nonsense"}, {"kwargs": "[" * 9000}, {"headers": ""}, {"args": ""}],
)
def test_whatever_stands_in_the_columns_is_shown(client, nightly, columns):
    PeriodicTask.objects.filter(pk=nightly.pk).update(**columns)

    assert client.get(address(nightly)).status_code == 200
    assert client.get(URL).status_code == 200


# What is refused

PAST = "2020-01-01T00:00:00Z"


REFUSED = [
    ({"name": ""}, "name", "may not be blank"),
    ({"name": "a\nb"}, "name", "control characters"),
    ({"name": "a\0b"}, "name", "control characters"),
    ({"name": "x" * 201}, "name", "no more than 200"),
    ({"name": "due-soon-reminders"}, "name", "Another schedule has this name."),
    ({"name": ...}, "name", "required"),
    ({"job": "gone"}, "job", "No job is named 'gone'."),
    ({"job": "gone", "queue": "deliver"}, "job", "No job is named 'gone'."),
    ({"crontab": ...}, "", "It must have one of interval, crontab and clocked."),
    ({"interval": {"every": 1, "period": "days"}}, "crontab", "only one of"),
    ({"crontab": {"minute": "99"}}, "crontab.minute", "99 is not between 0 and 59."),
    ({"crontab": {"hour": "x"}}, "crontab.hour", "'x' cannot be read"),
    ({"crontab": {"hour": 3}}, "crontab.hour", "Not a valid string"),
    ({"crontab": {"timezone": "Mars/Phobos"}}, "crontab.timezone", "is not a zone's name"),
    ({"crontab": {"timezone": "localtime"}}, "crontab.timezone", "is not a zone's name"),
    ({"crontab": {"day_of_month": "31", "month_of_year": "2"}}, "crontab.day_of_month", "never comes"),
    ({"crontab": []}, "crontab", "Expected a dictionary"),
    ({"crontab": ..., "interval": {"every": 0, "period": "days"}}, "interval", "An interval of 0 days is none."),
    ({"crontab": ..., "interval": {"every": "5", "period": "days"}}, "interval.every", "valid integer"),
    ({"crontab": ..., "interval": {"every": 5}}, "interval.period", "required"),
    ({"crontab": ..., "interval": {"every": 5, "period": "weeks"}}, "interval.period", "not a valid choice"),
    ({"crontab": ..., "interval": {"every": 2**31 - 1, "period": "days"}}, "interval", "cannot be reckoned with"),
    ({"crontab": ..., "interval": {"every": 2**40, "period": "days"}}, "interval.every", "less than or equal"),
    ({"crontab": ..., "clocked_at": "2030-01-01T00:00:00"}, "clocked_at", "no offset"),
    ({"crontab": ..., "clocked_at": "0001-01-01T00:00:00Z"}, "clocked_at", "after 1970"),
    ({"start_time": "0001-01-01T00:00:00Z"}, "start_time", "after 1970"),
    ({"start_time": 5}, "start_time", "Write the time as a text"),
    ({"expires": "9999-12-31T23:59:59-14:00"}, "expires", "out of range"),
    ({"expires": PAST, "expire_seconds": 5}, "expire_seconds", "not both"),
    ({"expire_seconds": 0}, "expire_seconds", "greater than or equal"),
    ({"args": {}}, "args", "Expected a list"),
    ({"args": [1]}, "args", "The arguments do not fit the job:"),
    ({"kwargs": {"x": 1}}, "args", "The arguments do not fit the job:"),
    ({"args": "[]"}, "args", "Expected a list"),
    ({"kwargs": []}, "kwargs", "Expected a dictionary"),
    ({"headers": "x"}, "headers", "Expected a dictionary"),
    ({"headers": {"id": "x"}}, "headers", "The header 'id' is Celery's own."),
    ({"queue": 5}, "queue", "Not a valid string"),
    ({"priority": 256}, "priority", "less than or equal to 255"),
    ({"priority": -1}, "priority", "greater than or equal to 0"),
    ({"catch_up": "some"}, "catch_up", "not a valid choice"),
    ({"catch_up_window": -1}, "catch_up_window", "greater than or equal to 0"),
    ({"catch_up_window": 10**12}, "catch_up_window", "less than or equal"),
    ({"overlap": ""}, "overlap", "not a valid choice"),
    ({"runs_again": "yes"}, "runs_again", "boolean"),
    ({"enabled": 1}, "enabled", "boolean"),
    ({"paused_until": "tomorrow"}, "paused_until", "wrong format"),
]


def everything() -> list:
    return [list(model.objects.order_by("pk").values()) for model in (PeriodicTask, CrontabSchedule, Policy)]


@pytest.mark.parametrize(("fields", "field", "text"), REFUSED)
def test_a_value_that_cannot_be_is_refused_by_its_field(client, fields, field, text):
    before = everything()

    assert text in refused(client.post(URL, body(**fields)))[field]
    assert everything() == before


# A new kind takes the old one's place, so that a change cannot bring a second one; and may leave out what it likes.
CHANGES = [each for each in REFUSED if each[1:] != ("crontab", "only one of") and [*each[0].values()] != [...]]


@pytest.mark.parametrize(("fields", "field", "text"), CHANGES)
def test_a_change_to_a_value_that_cannot_be_is_refused_by_its_field(client, nightly, fields, field, text):
    before = everything()
    given = {name: value for name, value in fields.items() if value is not ...}

    assert text in refused(client.patch(address(nightly), given))[field]
    assert everything() == before


PREVIEWS = [each for each in REFUSED if "name" not in each[0] and "job" not in each[0]]


@pytest.mark.parametrize(("fields", "field", "text"), PREVIEWS)
def test_a_preview_of_a_value_that_cannot_be_is_refused_by_its_field(client, fields, field, text):
    assert text in refused(client.post(f"{URL}preview/", body(**fields)))[field]


def test_two_kinds_at_once_are_refused_in_a_change_too(client, nightly):
    sent = {"interval": {"every": 1, "period": "days"}, "crontab": {"hour": "3"}}

    assert refused(client.patch(address(nightly), sent)).keys() == {"interval", "crontab"}


@pytest.mark.parametrize("sent", [[], "x", 5, None])
def test_a_body_that_is_no_object_is_refused(client, nightly, sent):
    for method, path in [("post", URL), ("patch", address(nightly)), ("post", f"{URL}preview/")]:
        response = getattr(client, method)(path, sent, format="json")
        assert response.status_code in ({200, 400} if sent is None else {400})


def test_the_kind_cannot_be_taken_away(client, nightly):
    assert "must have one of" in refused(client.patch(address(nightly), {"crontab": None}))[""]


def test_a_schedule_cannot_be_put_as_a_whole(client, nightly):
    assert client.put(address(nightly), body()).status_code == 405


# What is changed


def test_a_change_touches_nothing_but_what_is_given(client, nightly):
    ran_at = timezone.now() - timedelta(hours=1)
    PeriodicTask.objects.filter(pk=nightly.pk).update(last_run_at=ran_at, total_run_count=7, routing_key="r")
    before = PeriodicTask.objects.values().get(pk=nightly.pk)

    assert client.patch(address(nightly), {"description": "x", "enabled": False}).status_code == 200

    after = PeriodicTask.objects.values().get(pk=nightly.pk)
    assert after == {**before, "description": "x", "enabled": False, "date_changed": after["date_changed"]}
    assert not Policy.objects.filter(schedule=nightly).exists()


def test_a_part_of_the_policy_leaves_the_others(client, nightly):
    Policy.objects.create(schedule=nightly, overlap="queue", runs_again=False)

    client.patch(address(nightly), {"catch_up": "skip"})

    policy = Policy.objects.get(schedule=nightly)
    assert (policy.catch_up, policy.overlap, policy.runs_again) == ("skip", "queue", False)


@pytest.mark.parametrize(
    ("given", "kind"),
    [({"interval": {"every": 5, "period": "hours"}}, "interval"), ({"clocked_at": "2031-01-01T00:00:00Z"}, "clocked")],
)
def test_another_kind_takes_the_place_of_the_one_before(client, nightly, given, kind):
    assert client.patch(address(nightly), given).status_code == 200

    nightly = PeriodicTask.objects.get(pk=nightly.pk)
    assert [name for name in ("interval", "crontab", "solar", "clocked") if getattr(nightly, name)] == [kind]


def test_a_solar_schedule_from_before_can_be_disabled_and_given_a_crontab(client, nightly):
    solar = SolarSchedule.objects.create(event="sunset", latitude=1, longitude=1)
    PeriodicTask.objects.filter(pk=nightly.pk).update(crontab=None, solar=solar)

    assert client.patch(address(nightly), {"enabled": False}).status_code == 200
    assert "Solar" in refused(client.patch(address(nightly), {"enabled": True}))["solar"]
    assert client.patch(address(nightly), {"crontab": {"hour": "3"}, "enabled": True}).json()["problem"] == ""


def test_a_schedule_that_has_run_once_is_not_enabled_again_without_a_new_time(client):
    clocked = ClockedSchedule.objects.create(clocked_time=datetime(2026, 3, 1, 9, tzinfo=UTC))
    once = PeriodicTask.objects.create(name="once", task=JOB, clocked=clocked, one_off=True, enabled=False)
    timing = outlooks([once.pk])[once.pk].definition.timing
    ScheduleState.objects.create(schedule=once, timing=timing, has_fired=True, ran_at=clocked.clocked_time)

    said = refused(client.patch(address(once), {"enabled": True}))

    assert said == {"enabled": "It has run once, at 2026-03-01 09:00 UTC. Give it a new time, or use “run”."}
    assert client.patch(address(once), {"description": "x"}).status_code == 200
    assert client.patch(address(once), {"enabled": True, "clocked_at": "2031-01-01T00:00:00Z"}).json()["next_run_at"]


def test_a_name_cannot_become_anothers(client, nightly):
    said = refused(client.patch(address(nightly), {"name": "due-soon-reminders"}))

    assert said == {"name": "Another schedule has this name."}
    assert client.patch(address(nightly), {"name": "nightly"}).status_code == 200


def test_a_schedule_is_deleted_with_all_that_is_kept_of_it(client, nightly):
    Policy.objects.create(schedule=nightly)
    client.post(address(nightly, "run/"))

    assert client.delete(address(nightly)).status_code == 204

    assert client.get(address(nightly)).status_code == 404
    assert not Policy.objects.exists()


def test_a_schedule_is_paused_and_resumed(client, nightly):
    until = (timezone.now() + timedelta(days=5)).replace(hour=3, minute=0, second=0, microsecond=0)

    paused = client.post(address(nightly, "pause/"), {"until": until.isoformat()}).json()
    assert datetime.fromisoformat(paused["paused_until"]) == until
    assert datetime.fromisoformat(paused["next_run_at"]) == until.replace(minute=30)

    resumed = client.post(address(nightly, "resume/")).json()
    assert resumed["paused_until"] is None
    assert datetime.fromisoformat(resumed["next_run_at"]) < until


@pytest.mark.parametrize(
    ("sent", "text"),
    [({"until": PAST}, "must lie in the future"), ({}, "required"), ({"until": None}, "null"), ({"until": 5}, "text")],
)
def test_a_pause_ends_in_the_future(client, nightly, sent, text):
    assert text in refused(client.post(address(nightly, "pause/"), sent))["until"]


def test_the_next_run_is_left_out_once_however_often_one_says_so(client, nightly):
    first, second = client.get(address(nightly, "next/?count=2")).json()["results"]

    for _ in range(2):
        shown = client.post(address(nightly, "skip-next/")).json()
        assert (shown["skip_at"], shown["next_run_at"]) == (first, second)


def test_without_a_next_run_there_is_none_to_leave_out(client, nightly):
    PeriodicTask.objects.update(enabled=False)

    response = client.post(address(nightly, "skip-next/"))

    assert (response.status_code, response.json()["detail"]) == (409, "It has no next run.")


# When it runs


def test_the_next_moments_are_told(client, nightly):
    found = [datetime.fromisoformat(each) for each in client.get(address(nightly, "next/")).json()["results"]]

    assert len(found) == 5
    assert {(each.hour, each.minute) for each in found} == {(3, 30)}
    assert found == sorted(set(found))
    assert len(client.get(address(nightly, "next/?count=50")).json()["results"]) == 50


@pytest.mark.parametrize("query", ["count=0", "count=51", "count=x", "count=", "count=٣", "cuont=5"])
def test_a_count_is_a_number_from_1_to_50(client, nightly, query):
    assert query.split("=")[0] in refused(client.get(address(nightly, f"next/?{query}")))


def test_a_preview_says_when_it_would_run_and_writes_nothing(client):
    before = [model.objects.count() for model in (PeriodicTask, CrontabSchedule, IntervalSchedule)]
    sent = {"crontab": {"minute": "30", "hour": "2", "timezone": "Europe/Berlin"}, "start_time": "2030-03-30T00:00:00Z"}

    told = client.post(f"{URL}preview/", {**sent, "count": 3}).json()

    assert told == {
        "results": ["2030-03-30T01:30:00Z", "2030-03-31T01:30:00Z", "2030-04-01T00:30:00Z"],
        "schedule": "30 2 * * * (m/h/dM/MY/d) Europe/Berlin",
    }
    assert [model.objects.count() for model in (PeriodicTask, CrontabSchedule, IntervalSchedule)] == before
