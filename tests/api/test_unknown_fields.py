"""What a request says and nobody reads is refused by name; what a GET gave can be sent back."""

import json
from collections.abc import Iterator
from inspect import isclass
from typing import Any

import pytest
from django.test import Client
from django_celery_beat.models import PeriodicTask
from rest_framework.serializers import BaseSerializer

import accounts.serializers
import attachments.serializers
import reminders.serializers
import schedules.serializers
import taskapp.serializers
from accounts.models import Preference, Token
from attachments.models import Attachment
from edges.unknown_fields import LONGEST_NAME, MOST_NAMED, Strict, nearest
from reminders.models import Delivery, Reminder
from schedules.models import Policy, ScheduleRun
from taskapp.models import Tag, Task
from tests.factories import PASSWORD, make_attachment, make_delivery, make_task, make_user

JOB = "reminders.deliver"
SCHEDULE = {"name": "mine", "job": JOB, "crontab": {"minute": "30", "hour": "3"}}
OURS = [
    accounts.serializers,
    attachments.serializers,
    reminders.serializers,
    schedules.serializers,
    taskapp.serializers,
]


def refused(response: Any) -> dict[str, str]:
    """Of a 400: what it says about each field."""
    assert response.status_code == 400, response.content
    problem = response.json()
    return {each["field"]: each["detail"] for each in problem.get("errors", [{"field": "", **problem}])}


@pytest.fixture
def client(staff, api) -> Any:
    return api(staff)


@pytest.fixture
def rows(staff) -> dict[str, Any]:
    """Something of each kind; its id by the name of the kind in the path."""
    task = make_task(staff)
    delivery = make_delivery(task, status="failed")
    return {
        "tasks": task.pk, "tags": task.tags.create(owner=staff, name="home").pk, "reminders": delivery.reminder_id,
        "deliveries": delivery.pk, "attachments": make_attachment(task, state="infected").pk,
        "schedules": PeriodicTask.objects.earliest("pk").pk,
    }  # fmt: skip


def everything() -> list[Any]:
    models = (Task, Tag, Reminder, Delivery, Attachment, PeriodicTask, Policy, ScheduleRun, Token, Preference)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_every_address_that_takes_something_refuses_what_it_does_not_know(client, rows):
    paths = client.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()["paths"]
    writes = [(path, each) for path, methods in paths.items() for each in methods if each in {"post", "put", "patch"}]
    before = everything()

    for path, method in writes:
        address = path.replace("{id}", str(rows.get(path.split("/")[3])))
        is_upload = method == "post" and address.endswith("/attachments/")
        response = getattr(client, method)(address, {"colour": "red"}, format="multipart" if is_upload else "json")
        assert "There is no field “colour”" in refused(response)["colour"], (method, path)

    assert len(writes) > 20
    assert everything() == before


NAMES = [
    ("post", "tasks/", {"title": "x", "dueAt": "2026-12-01T09:00:00Z"}, "dueAt", "due_at"),
    ("post", "tasks/", {"title": "x", "due-at": None}, "due-at", "due_at"),
    ("post", "tasks/", {"title": "x", "due_date": "2026-12-01"}, "due_date", "due_at"),
    ("post", "tasks/", {"title": "x", "state": "done"}, "state", "status"),
    ("post", "tasks/", {"titel": "x"}, "titel", "title"),
    ("patch", "tasks/{tasks}/", {"Title": "x"}, "Title", "title"),
    ("put", "tasks/{tasks}/", {"title": "x", "tag": ["home"]}, "tag", "tags"),
    ("patch", "tags/{tags}/", {"nmae": "x"}, "nmae", "name"),
    ("post", "schedules/", {**SCHEDULE, "enabeld": False}, "enabeld", "enabled"),
    ("patch", "schedules/{schedules}/", {"enabeld": False}, "enabeld", "enabled"),
    ("post", "schedules/preview/", {**SCHEDULE, "start": None}, "start", "start_time"),
    ("post", "schedules/{schedules}/pause/", {"untill": "2126-12-01T09:00:00Z"}, "untill", "until"),
    ("patch", "me/", {"timeZone": "Europe/Berlin"}, "timeZone", "timezone"),
    ("patch", "me/", {"emailEnabled": False}, "emailEnabled", "email_enabled"),
    ("post", "tokens/", {"username": "staff", "password": PASSWORD, "expires": None}, "expires", "expires_at"),
    ("post", "attachments/{attachments}/release/", {"reasons": "x"}, "reasons", "reason"),
    # In what lies inside, also where the rest is changed in parts.
    ("post", "schedules/", {**SCHEDULE, "crontab": {"minutes": "30"}}, "crontab.minutes", "minute"),
    ("patch", "schedules/{schedules}/", {"crontab": {"timeZone": "UTC"}}, "crontab.timeZone", "timezone"),
    ("patch", "schedules/{schedules}/", {"interval": {"every": 5, "perod": "days"}}, "interval.perod", "period"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "field", "meant"), NAMES)
def test_a_misspelt_field_is_named_with_the_one_that_is_meant(client, rows, method, path, body, field, meant):
    before = everything()

    said = refused(getattr(client, method)("/api/v1/" + path.format(**rows), body))

    assert said[field] == f"There is no field “{field.rpartition('.')[2]}”. Do you mean “{meant}”?"
    assert everything() == before


def test_where_none_is_like_it_all_are_named(client, staff):
    body = {"username": "staff", "password": PASSWORD, "scopes": ["tasks"]}

    assert refused(client.post("/api/v1/tokens/", body)) == {
        "scopes": "There is no field “scopes”. There are: username, password, name, expires_at."
    }


def test_a_request_that_says_all_by_its_address_takes_no_field(client, rows):
    path = f"/api/v1/tasks/{rows['tasks']}/complete/"

    assert refused(client.post(path, {"occurrence": "x"})) == {
        "occurrence": "There is no field “occurrence”: this takes none."
    }
    for body in ("", "{}", "null"):
        assert client.generic("POST", path, body, content_type="application/json").status_code == 200


QUERIES = [
    ("post", "deliveries/retry/?task=1", "task"),  # else all were retried
    ("post", "tasks/{tasks}/complete/?dry_run=1", "dry_run"),
    ("post", "schedules/{schedules}/run/?at=1", "at"),
    ("post", "schedules/preview/?count=3", "count"),
    ("get", "schedules/{schedules}/next/?counts=3", "counts"),
    ("get", "attachments/{attachments}/thumbnail/?sise=large", "sise"),
]


@pytest.mark.parametrize(("method", "path", "name"), QUERIES)
def test_a_parameter_that_nobody_reads_is_refused(client, rows, method, path, name):
    before = everything()

    assert refused(getattr(client, method)("/api/v1/" + path.format(**rows))) == {name: "There is no such parameter."}
    assert everything() == before


def test_it_is_told_along_with_whatever_else_is_wrong(client):
    assert refused(client.post("/api/v1/tasks/", {"state": "done", "priority": "urgent"})).keys() == {
        "state", "priority", "title",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["", "non_field_errors", ".", "a.b", "__proto__", "title ", "x" * 100_000, "\u2028", "0"]
)
def test_whatever_it_is_called_the_answer_is_a_problem(client, name):
    response = client.post("/api/v1/tasks/", {"title": "x", name: 1})

    assert f"“{name[:LONGEST_NAME]}" in " ".join(refused(response).values())
    assert len(response.content) < 2000


def test_of_very_many_some_are_named(client):
    body = {"title": "x", **{f"field {number}": number for number in range(50_000)}}

    assert len(refused(client.post("/api/v1/tasks/", body))) == MOST_NAMED


def test_a_name_that_stands_twice_is_refused(client):
    for body in [
        '{"title": "a", "title": "b"}',
        '{"title": "a", "tags": [{"x": 1, "x": 2}]}',
        r'{"\ud800": 1, "\ud800": 2}',
    ]:
        response = client.generic("POST", "/api/v1/tasks/", body, content_type="application/json")
        assert "twice in one object" in refused(response)[""]
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", "tasks/{tasks}/"),
        ("patch", "tasks/{tasks}/"),
        ("put", "tags/{tags}/"),
        ("patch", "schedules/{schedules}/"),
        ("patch", "me/"),
    ],
)
def test_what_was_given_can_be_sent_back(client, rows, method, path):
    address = "/api/v1/" + path.format(**rows)
    given = client.get(address).json()

    answer = getattr(client, method)(address, given)

    changed = {name for name in given if answer.json()[name] != given[name]}
    assert answer.status_code == 200
    assert changed <= {"version", "updated_at", "next_run_at"}


def test_free_objects_take_any_name(client):
    made = client.post("/api/v1/schedules/", {**SCHEDULE, "job": "theirs", "queue": "q", "kwargs": {"dueAt": 1}})

    assert made.json()["kwargs"] == {"dueAt": 1}


def test_a_browsers_form_may_bring_its_token(staff):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(staff)
    page = browser.get(path := f"/api/v1/tasks/{make_task(staff).pk}/attachments/", headers={"Accept": "text/html"})
    token = page.context["csrf_token"] if page.context else page.cookies["csrftoken"].value

    def upload(**fields: Any) -> Any:
        with open(__file__, "rb") as file:
            return browser.post(path, {"csrfmiddlewaretoken": str(token), "file": file, **fields})

    assert upload().status_code == 201
    assert upload(name="x").status_code == 400
    assert Attachment.objects.count() == 1


def test_the_forms_of_the_browsable_api_can_be_sent_as_they_stand(client, staff, rows):
    """Of an action that takes nothing it offers nothing."""
    browser = Client()
    browser.force_login(staff)

    page = browser.get(f"/api/v1/tasks/{rows['tasks']}/complete/", headers={"Accept": "text/html"}).text
    offered = page.split('name="_content"')[1].split(">", 1)[1].split("</textarea>")[0].strip()

    assert json.loads(offered or "{}") == {}


def serializers_of(module: Any) -> Iterator[type]:
    yield from (each for each in vars(module).values() if isclass(each) and issubclass(each, BaseSerializer))


@pytest.mark.parametrize("module", OURS, ids=lambda module: module.__name__)
def test_no_serializer_takes_what_it_does_not_know(module):
    own = [each for each in serializers_of(module) if each.__module__ == module.__name__]

    assert own
    assert [each for each in own if not issubclass(each, Strict)] == []


def test_the_schema_says_so(client):
    schema = client.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    components = schema["components"]["schemas"]
    bodies = {
        kind["schema"]["$ref"].rpartition("/")[2]
        for methods in schema["paths"].values()
        for operation in methods.values()
        for kind in operation.get("requestBody", {}).get("content", {}).values()
    }

    assert {"Task", "PatchedTask", "Schedule", "PatchedMeChange", "Upload", "Interval", "Crontab"} <= components.keys()
    assert [
        name for name in {*bodies, "Interval", "Crontab"} if components[name]["additionalProperties"] is not False
    ] == []


def test_a_stranger_learns_nothing_of_fields(api, alice, rows):
    task = make_task(make_user("carol"))

    assert api(alice).patch(f"/api/v1/tasks/{task.pk}/", {"colour": 1}).status_code == 404
    assert api(None).post("/api/v1/tasks/", {"colour": 1}).status_code == 401


@pytest.mark.parametrize(
    ("name", "found"), [("DUE_AT", "due_at"), ("dueat", "due_at"), ("prio", "priority"), ("zzz", None), ("", None)]
)
def test_the_nearest_name(name, found):
    assert nearest(name, ["title", "due_at", "priority", "status"]) == found
