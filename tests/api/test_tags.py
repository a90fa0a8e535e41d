"""Tags: made by naming them on a task, private to their owner, the same in capitals or not."""

import pytest

from taskapp.models import Tag, Task
from tests.factories import make_task

SMALL, CAPITAL = "\u03b1\u03c3", "\u0391\u03a3"
"""A Greek word whose capitals Python turns into other small letters than PostgreSQL does."""


def tag(client, task: Task, *names: str) -> list[str]:
    response = client.patch(f"/api/v1/tasks/{task.pk}/", {"tags": names})
    assert response.status_code == 200, response.json()
    return response.json()["tags"]


def test_tags_are_made_on_first_use_and_found_again(alice, api):
    first = api(alice).post("/api/v1/tasks/", {"title": "x", "tags": ["home"]}).json()
    second = api(alice).post("/api/v1/tasks/", {"title": "y", "tags": ["home", "money"]}).json()

    assert first["tags"] == ["home"]
    assert second["tags"] == ["home", "money"]
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["home", "money"]


def test_each_owner_has_their_own(alice, bob, api):
    for owner in (alice, bob):
        assert tag(api(owner), make_task(owner), "home") == ["home"]

    assert Tag.objects.filter(name="home").count() == 2
    assert api(bob).get("/api/v1/tags/").json()["count"] == 1


@pytest.mark.parametrize(
    ("known", "named"), [("Home", "hOME"), ("ÄRGER", "ärger"), (SMALL, CAPITAL), ("straße", "STRAßE")]
)
def test_a_name_in_other_letter_case_is_the_same_tag(alice, api, known, named):
    task = make_task(alice)
    tag(api(alice), task, known)

    assert tag(api(alice), task, named) == [known]
    assert tag(api(alice), task, named, known) == [known]
    assert Tag.objects.count() == 1


def test_a_list_of_tags_replaces_the_others(alice, api):
    task = make_task(alice)
    tag(api(alice), task, "home", "money")

    assert tag(api(alice), task, "money", "soon") == ["money", "soon"]
    assert tag(api(alice), task) == []
    assert api(alice).patch(f"/api/v1/tasks/{task.pk}/", {"title": "y"}).json()["tags"] == []


@pytest.mark.parametrize(
    ("tags", "field"),
    [
        ("home", "tags"),
        (None, "tags"),
        ({"home": 1}, "tags"),
        ([5], "tags.0"),
        (["home", None], "tags.1"),
        (["home", ""], "tags.1"),
        (["home", "   "], "tags.1"),
        (["a" * 51], "tags.0"),
        (["a\0b"], "tags.0"),
        (["a\nb"], "tags.0"),
        ([["home"]], "tags.0"),
        ([str(number) for number in range(51)], "tags"),
    ],
)
def test_bad_tags_are_400_and_the_field_is_named(alice, api, tags, field):
    response = api(alice).post("/api/v1/tasks/", {"title": "x", "tags": tags})

    assert response.status_code == 400
    assert {error["field"] for error in response.json()["errors"]} == {field}
    assert not Task.objects.exists()


def test_a_tag_is_renamed_on_all_its_tasks_whose_versions_grow(alice, api):
    task = make_task(alice)
    tag(api(alice), task, "home")
    version = Task.objects.get().version
    pk = Tag.objects.get().pk

    response = api(alice).patch(f"/api/v1/tags/{pk}/", {"name": "Home"})

    assert response.json() == {"id": pk, "name": "Home"}
    shown = api(alice).get(f"/api/v1/tasks/{task.pk}/").json()
    assert shown["tags"] == ["Home"]
    assert shown["version"] == version + 1


@pytest.mark.parametrize("name", ["money", "MONEY", CAPITAL])
def test_a_tag_is_not_renamed_to_another_of_its_owner(alice, api, name):
    home = Tag.objects.create(owner=alice, name="home")
    Tag.objects.create(owner=alice, name="Money")
    Tag.objects.create(owner=alice, name=SMALL)

    response = api(alice).put(f"/api/v1/tags/{home.pk}/", {"name": name})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "name"
    home.refresh_from_db()
    assert home.name == "home"


def test_a_deleted_tag_leaves_its_tasks_whose_versions_grow(alice, api):
    task = make_task(alice)
    tag(api(alice), task, "home", "money")
    version = Task.objects.get().version

    response = api(alice).delete(f"/api/v1/tags/{Tag.objects.get(name='home').pk}/")

    assert response.status_code == 204
    shown = api(alice).get(f"/api/v1/tasks/{task.pk}/").json()
    assert shown["tags"] == ["money"]
    assert shown["version"] == version + 1


def test_a_tag_is_not_made_on_its_own(alice, api):
    assert api(alice).post("/api/v1/tags/", {"name": "home"}).status_code == 405
