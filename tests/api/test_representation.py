"""What a client is told of a task is written out, for speed. It is what DRF would make of the serializer's fields."""

import json
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from rest_framework.serializers import ModelSerializer

from taskapp.models import Task
from taskapp.serializers import TaskSerializer
from taskapp.services import complete_task, create_task, delete_task, update_task
from tests.factories import make_task

ODD = [
    {"due_in_hours": None},
    {"due_at": datetime(1900, 1, 1, tzinfo=UTC)},
    {"due_at": datetime(8999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)},
    {"due_at": datetime(2026, 3, 29, 1, 0, 0, 120, tzinfo=UTC), "timezone": "Europe/Berlin"},
    {"due_at": datetime(2026, 7, 1, tzinfo=UTC), "all_day": True},
    {"title": "“ünïcode” \u2067 \\ \" </script>", "description": "line\n\ttab"},
    {"priority": "critical", "status": "blocked"},
]  # fmt: skip


@pytest.fixture
def tasks(alice) -> list[Task]:
    for fields in ODD:
        make_task(alice, **fields)
    create_task(alice, title="tags", tags=["b", "A", "ä", "Z", "home office", "B2"])
    complete_task(make_task(alice))
    delete_task(make_task(alice))
    update_task(make_task(alice), title="changed", tags=["b"])
    return list(Task.objects.with_tag_names())


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "Europe/Amsterdam", "Asia/Kolkata", "America/St_Johns"])
def test_a_task_is_shown_as_its_fields_say(tasks, zone):
    with timezone.override(ZoneInfo(zone)):
        shown = [TaskSerializer(task).data for task in tasks]
        by_field = [ModelSerializer.to_representation(TaskSerializer(task), task) for task in tasks]

    assert len(shown) == len(ODD) + 4
    assert [list(one.items()) for one in shown] == [list(one.items()) for one in by_field]


def test_a_list_shows_each_task_as_it_is_shown_alone(tasks, alice, api):
    client = api(alice)

    listed = client.get("/api/v1/tasks/").json()["results"]

    assert len(listed) == len(tasks) - 1
    assert listed == [client.get(f"/api/v1/tasks/{one['id']}/").json() for one in listed]


@pytest.mark.parametrize("page", [1, 2, 3, 4, 5])
def test_the_list_that_is_not_filtered_shows_what_the_others_show(tasks, alice, bob, api, page):
    make_task(bob)
    client, query = api(alice), f"page={page}&page_size=3"

    plain = client.get(f"/api/v1/tasks/?{query}")
    others = [client.get(f"/api/v1/tasks/?{query}&{more}") for more in ["ordering=-id", "deleted=false", "search="]]

    for other in others:
        assert plain.status_code == other.status_code
        assert plain.json() == json.loads(re.sub("&?(ordering=-id|deleted=false|search=)(&(?=p))?", "", other.text))


def test_what_a_write_answers_is_what_is_read_afterwards(alice, api):
    client = api(alice)
    task = {"title": "x", "tags": ["b", "a"], "due_at": "2026-05-01", "all_day": True}

    made = client.post("/api/v1/tasks/", task).json()
    path = f"/api/v1/tasks/{made['id']}/"
    assert made == client.get(path).json()
    assert client.patch(path, {"tags": ["c"]}).json() == client.get(path).json()
    assert client.post(f"{path}complete/").json() == client.get(path).json()
    client.delete(path)
    assert client.post(f"{path}restore/").json() == client.get(path).json()
