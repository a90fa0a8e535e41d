"""ETag and If-Match: a change meant for one version of a task is refused when the task has changed since."""

import pytest

from taskapp.models import Task
from tests.factories import make_task

CHANGES = [("put", ""), ("patch", ""), ("delete", ""), ("post", "complete/")]


@pytest.fixture
def task(alice) -> Task:
    return make_task(alice)


def change(client, task, method, more, if_match):
    path = f"/api/v1/tasks/{task.pk}/{more}"
    body = {} if more else {"title": "new"}
    return getattr(client, method)(path, body, headers={"If-Match": if_match})


@pytest.mark.parametrize(("method", "more"), CHANGES)
def test_a_change_for_the_version_that_is_stored_is_made(alice, api, task, method, more):
    etag = api(alice).get(f"/api/v1/tasks/{task.pk}/")["ETag"]

    response = change(api(alice), task, method, more, etag)

    assert response.status_code in {200, 204}
    assert Task.objects.get().version == 2


@pytest.mark.parametrize(("method", "more"), CHANGES)
@pytest.mark.parametrize(
    "etag", ['"{pk}-0"', '"{pk}-2"', 'W/"{pk}-1"', '"999999-1"', "{pk}-1", '"x"', "x", "", '"{pk}-99999999999"', "ä"]
)
def test_a_change_for_another_version_is_412_and_not_made(alice, api, task, method, more, etag):
    response = change(api(alice), task, method, more, etag.format(pk=task.pk))

    assert response.status_code == 412
    assert response["Content-Type"] == "application/problem+json"
    assert Task.objects.get().version == 1


@pytest.mark.parametrize("etag", ["*", ' "0-0" , "{pk}-1" '])
def test_any_version_or_one_of_several_can_be_named(alice, api, task, etag):
    assert change(api(alice), task, "patch", "", etag.format(pk=task.pk)).status_code == 200


def test_each_change_answers_with_the_next_version(alice, api, task):
    first = api(alice).patch(f"/api/v1/tasks/{task.pk}/", {"title": "new"})["ETag"]
    second = change(api(alice), task, "patch", "", first)["ETag"]

    assert len({first, second, f'"{task.pk}-1"'}) == 3
    assert change(api(alice), task, "patch", "", first).status_code == 412


@pytest.mark.parametrize("body", [{"tags": ["home"]}, {"due_at": None}, {"status": "blocked"}])
def test_whatever_a_client_sees_makes_a_new_version(alice, api, task, body):
    assert api(alice).patch(f"/api/v1/tasks/{task.pk}/", body)["ETag"] != f'"{task.pk}-1"'
