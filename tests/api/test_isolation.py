"""What is alice's is not there for bob, whichever way he asks; what is for staff is refused to others."""

from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult

from accounts.models import Token
from accounts.services import create_token
from attachments.models import Attachment
from reminders.models import Delivery, Reminder
from schedules.models import Policy, ScheduleRun
from taskapp.models import Tag, Task
from tests.factories import make_attachment, make_delivery, make_task, make_thumbnail

OWNED = [
    ("tasks", "get", ""),
    ("tasks", "head", ""),
    ("tasks", "put", ""),
    ("tasks", "patch", ""),
    ("tasks", "delete", ""),
    ("tasks", "post", "complete/"),
    ("tasks", "post", "restore/"),
    ("deleted task", "get", ""),
    ("deleted task", "post", "restore/"),
    ("tags", "get", ""),
    ("tags", "put", ""),
    ("tags", "patch", ""),
    ("tags", "delete", ""),
    ("reminders", "get", ""),
    ("reminders", "post", "cancel/"),
    ("deliveries", "get", ""),
    ("deliveries", "post", "retry/"),
    ("attachments", "get", ""),
    ("attachments", "delete", ""),
    ("attachments", "get", "content/"),
    ("attachments", "head", "content/"),
    ("attachments", "get", "thumbnail/"),
    ("attachments", "post", "rescan/"),
    ("attachment of a deleted task", "get", ""),
    ("attachment of a deleted task", "get", "content/"),
    ("attachment of a deleted task", "get", "thumbnail/"),
    ("tasks", "get", "attachments/"),
    ("tasks", "post", "attachments/"),
    ("deleted task", "get", "attachments/"),
    ("tokens", "get", ""),
    ("tokens", "delete", ""),
]
LISTS = ["tasks/", "tasks/?deleted=true", "attachments/", "tags/", "reminders/", "deliveries/", "tokens/"]
FOR_STAFF = [
    ("get", "schedules/"),
    ("post", "schedules/"),
    ("post", "schedules/preview/"),
    ("get", "schedules/1/"),
    ("patch", "schedules/1/"),
    ("delete", "schedules/1/"),
    ("get", "schedules/1/next/"),
    ("get", "schedules/1/runs/"),
    ("post", "schedules/1/run/"),
    ("post", "schedules/1/pause/"),
    ("post", "schedules/1/resume/"),
    ("post", "schedules/1/skip-next/"),
    ("post", "attachments/1/release/"),
    ("get", "jobs/"),
    ("get", "jobs/a1/"),
]


@pytest.fixture
def paths(alice) -> dict[str, str]:
    """An address of each kind of thing that alice owns."""
    task = make_task(alice)
    task.tags.create(owner=alice, name="home")
    deleted = make_task(alice, deleted_at=timezone.now())
    delivery = make_delivery(task, status="failed")
    token, _ = create_token(alice)
    attachment, hidden = make_attachment(task), make_attachment(deleted)
    for each in (attachment, hidden):
        make_thumbnail(each)
    return {
        "tasks": f"/api/v1/tasks/{task.pk}/",
        "deleted task": f"/api/v1/tasks/{deleted.pk}/",
        "attachments": f"/api/v1/attachments/{attachment.pk}/",
        "attachment of a deleted task": f"/api/v1/attachments/{hidden.pk}/",
        "tags": f"/api/v1/tags/{task.tags.get().pk}/",
        "reminders": f"/api/v1/reminders/{delivery.reminder_id}/",
        "deliveries": f"/api/v1/deliveries/{delivery.pk}/",
        "tokens": f"/api/v1/tokens/{token.pk}/",
    }


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Task, Attachment, Tag, Reminder, Delivery, Token)]


@pytest.mark.parametrize(("kind", "method", "more"), OWNED)
def test_somebody_elses_thing_is_not_there(bob, api, paths, kind, method, more):
    before = everything()

    body = {} if method == "get" else {"title": "mine", "name": "mine"}
    response = getattr(api(bob), method)(paths[kind] + more, body)

    assert response.status_code == 404
    assert everything() == before


@pytest.mark.parametrize(("kind", "method", "more"), OWNED)
def test_not_even_for_staff(staff, api, paths, kind, method, more):
    body = {} if method == "get" else {"title": "mine"}

    assert getattr(api(staff), method)(paths[kind] + more, body).status_code == 404


@pytest.mark.parametrize(("kind", "method", "more"), OWNED)
def test_a_stranger_is_asked_who_they_are(api, paths, kind, method, more):
    response = getattr(api(None), method)(paths[kind] + more, {"title": "mine"})

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", LISTS)
def test_lists_show_ones_own_things_alone(alice, bob, api, paths, path):
    assert api(alice).get(f"/api/v1/{path}").json()["count"] == 1
    assert api(bob).get(f"/api/v1/{path}").json() == {"count": 0, "next": None, "previous": None, "results": []}


def test_filtering_by_somebody_elses_task_finds_nothing(alice, bob, api, paths):
    task = Task.objects.present().get()

    for kind in ("reminders", "deliveries", "attachments"):
        assert api(alice).get(f"/api/v1/{kind}/?task={task.pk}").json()["count"] == 1
        assert api(bob).get(f"/api/v1/{kind}/?task={task.pk}").json()["count"] == 0
    assert api(bob).get("/api/v1/tasks/?tag=home").json()["count"] == 0
    assert api(bob).get("/api/v1/tasks/?search=rent").json()["count"] == 0


def test_a_token_opens_its_owners_things_alone(bob, api, paths):
    client = api(None)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_token(bob)[1]}")

    assert client.get(paths["tasks"]).status_code == 404
    assert client.get("/api/v1/tasks/").json()["count"] == 0


def test_an_owner_cannot_be_named(alice, bob, api):
    response = api(bob).post("/api/v1/tasks/", {"title": "x", "owner": alice.pk})

    assert response.status_code == 400
    assert not Task.objects.exists()


@pytest.mark.parametrize(("method", "path"), FOR_STAFF)
def test_what_is_for_staff_is_refused_to_others(alice, api, method, path):
    schedule = PeriodicTask.objects.earliest("pk")
    TaskResult.objects.create(task_id="a1")
    before = list(PeriodicTask.objects.order_by("pk").values())

    response = getattr(api(alice), method)("/api/v1/" + path.replace("/1/", f"/{schedule.pk}/"), {"enabled": False})

    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert not ScheduleRun.objects.exists()
    assert not Policy.objects.exists()
    assert list(PeriodicTask.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(("method", "path"), FOR_STAFF)
def test_a_stranger_at_the_staffs_door_is_asked_who_they_are(db, api, method, path):
    assert getattr(api(None), method)(f"/api/v1/{path}").status_code == 401
