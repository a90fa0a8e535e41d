"""`/api/v1/tasks/`: making, reading, changing, completing, deleting and restoring."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.services import update_profile
from taskapp.models import Task
from taskapp.services import update_task
from tests.factories import make_task


def test_a_task_is_made_with_every_field(alice, api):
    sent = {
        "title": "Pay the rent", "description": "Two\nlines", "status": "blocked", "priority": "high",
        "due_at": "2026-03-01T09:00:00+01:00", "timezone": "Europe/Berlin", "all_day": False, "tags": ["home", "Money"],
    }  # fmt: skip

    response = api(alice).post("/api/v1/tasks/", sent)

    made = response.json()
    assert response.status_code == 201
    assert response["Location"] == f"http://testserver/api/v1/tasks/{made['id']}/"
    assert response["ETag"] == f'"{made["id"]}-{made["version"]}"'
    assert made == {**made, **sent, "due_at": "2026-03-01T08:00:00Z", "completed_at": None, "deleted_at": None}
    assert api(alice).get(response["Location"]).json() == made


def test_a_title_is_enough(alice, api):
    made = api(alice).post("/api/v1/tasks/", {"title": "x"}).json()

    assert made == {
        **made, "title": "x", "description": "", "status": "todo", "priority": "medium", "due_at": None,
        "timezone": "UTC", "all_day": False, "tags": [],
    }  # fmt: skip


def test_the_zone_is_the_owners_own_if_none_is_named(alice, api):
    update_profile(alice, timezone="Asia/Tokyo")

    assert api(alice).post("/api/v1/tasks/", {"title": "x"}).json()["timezone"] == "Asia/Tokyo"


def test_what_the_service_keeps_cannot_be_set(alice, api):
    kept = {"id": 7, "version": 9, "created_at": "2000-01-01T00:00:00Z", "deleted_at": "2000-01-01T00:00:00Z"}

    made = api(alice).post("/api/v1/tasks/", {"title": "x", **kept}).json()

    assert made["version"] == 1
    assert made["deleted_at"] is None
    assert made["created_at"] > "2026"
    assert Task.objects.get().pk == made["id"]


def test_put_replaces_and_patch_changes_what_is_named(alice, api):
    task = make_task(alice, description="old", priority="high")

    patched = api(alice).patch(f"/api/v1/tasks/{task.pk}/", {"title": "new"}).json()
    put = api(alice).put(f"/api/v1/tasks/{task.pk}/", {"title": "newer", "due_at": None}).json()

    assert (patched["title"], patched["description"], patched["priority"]) == ("new", "old", "high")
    assert patched["due_at"] is not None
    assert (put["title"], put["due_at"]) == ("newer", None)
    assert put["version"] > patched["version"] > task.version


def test_a_patch_of_nothing_changes_nothing(alice, api):
    task = make_task(alice)

    response = api(alice).patch(f"/api/v1/tasks/{task.pk}/", {})

    assert response.status_code == 200
    assert response.json()["version"] == 1


def test_changes_of_different_fields_both_stand(alice):
    mine = make_task(alice)
    theirs = Task.objects.get()

    update_task(mine, title="new")
    update_task(theirs, priority="critical")

    mine.refresh_from_db()
    assert (mine.title, mine.priority) == ("new", "critical")


def test_completing_says_when_and_again_changes_nothing_of_it(alice, api):
    task = make_task(alice)

    first = api(alice).post(f"/api/v1/tasks/{task.pk}/complete/").json()
    second = api(alice).post(f"/api/v1/tasks/{task.pk}/complete/").json()

    assert first["status"] == "done"
    assert first["completed_at"] is not None
    assert second["completed_at"] == first["completed_at"]


def test_a_task_that_is_opened_again_is_not_completed(alice, api):
    task = make_task(alice, status="done", completed_at=timezone.now())

    assert api(alice).patch(f"/api/v1/tasks/{task.pk}/", {"status": "todo"}).json()["completed_at"] is None


def test_a_deleted_task_is_nowhere_but_can_be_restored(alice, api):
    task = make_task(alice)
    path = f"/api/v1/tasks/{task.pk}/"

    deleted = api(alice).delete(path)

    assert deleted.status_code == 204
    assert Task.objects.get().deleted_at is not None
    for method, more in [("get", ""), ("put", ""), ("patch", ""), ("delete", ""), ("post", "complete/")]:
        assert getattr(api(alice), method)(path + more, {"title": "x"}).status_code == 404
    assert api(alice).get("/api/v1/tasks/").json()["count"] == 0
    assert api(alice).get("/api/v1/tasks/?deleted=true").json()["results"][0]["id"] == task.pk
    restored = api(alice).post(path + "restore/")
    assert restored.status_code == 200
    assert restored.json()["deleted_at"] is None
    assert api(alice).get(path).status_code == 200


def test_restoring_what_is_not_deleted_changes_nothing(alice, api):
    task = make_task(alice)

    assert api(alice).post(f"/api/v1/tasks/{task.pk}/restore/").json()["version"] == 1


def titles(client, query: str) -> list[str]:
    response = client.get(f"/api/v1/tasks/?{query}")
    assert response.status_code == 200, response.json()
    return [task["title"] for task in response.json()["results"]]


def test_the_list_is_filtered_searched_and_ordered(alice, api):
    due = datetime(2026, 3, 1, tzinfo=UTC)
    rent = make_task(alice, title="rent", due_at=due, priority="high")
    make_task(alice, title="milk", due_at=due + timedelta(days=1), description="and RENT a car")
    make_task(alice, title="sleep", due_in_hours=None, status="done", completed_at=due, deleted_at=None)
    make_task(alice, title="gone", due_at=due, deleted_at=due)
    rent.tags.create(owner=alice, name="Home")
    client = api(alice)

    assert titles(client, "") == ["sleep", "milk", "rent"]
    assert titles(client, "status=done") == ["sleep"]
    assert titles(client, "status=done&status=todo") == ["sleep", "milk", "rent"]
    assert titles(client, "priority=high") == ["rent"]
    assert titles(client, "tag=hOME") == ["rent"]
    assert titles(client, "due_before=2026-03-02T00:00:00Z") == ["rent"]
    assert titles(client, "due_after=2026-03-02T00:00:00Z") == ["milk"]
    assert titles(client, "search=rent") == ["milk", "rent"]
    assert titles(client, "search=rent+car") == ["milk"]
    assert titles(client, "ordering=title") == ["milk", "rent", "sleep"]
    assert titles(client, "ordering=-due_at") == ["sleep", "milk", "rent"]
    assert titles(client, "deleted=true") == ["gone"]
    assert titles(client, "deleted=false") == titles(client, "deleted=") == ["sleep", "milk", "rent"]
    # As the filter form of the browsable API sends it.
    assert titles(client, "tag=&due_before=&due_after=&deleted=") == ["sleep", "milk", "rent"]


def test_one_task_is_found_by_its_address_whatever_the_query_says(alice, api):
    task = make_task(alice)

    assert api(alice).get(f"/api/v1/tasks/{task.pk}/?status=done").status_code == 200


def test_pages_follow_one_another_without_repeating_or_skipping(alice, api):
    Task.objects.bulk_create(Task(owner=alice, title="same") for _ in range(7))
    seen, url = [], "/api/v1/tasks/?page_size=3&ordering=title"

    while url:
        page = api(alice).get(url).json()
        seen += [task["id"] for task in page["results"]]
        url = page["next"]

    assert page["count"] == 7
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize("ordering", ["title", "-due_at", "created_at,title"])
def test_whatever_the_order_ties_are_broken_by_the_id(alice, api, ordering):
    make_task(alice)

    with CaptureQueriesContext(connection) as queries:
        api(alice).get(f"/api/v1/tasks/?ordering={ordering}")

    (select,) = [query["sql"] for query in queries if " ORDER BY " in query["sql"] and " LIMIT " in query["sql"]]
    assert select.split(" LIMIT ")[0].endswith('"taskapp_task"."id" DESC')
