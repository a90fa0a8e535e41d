"""`Idempotency-Key`: a create that is sent again makes no second task."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from rest_framework.test import APIClient

from taskapp.models import IdempotencyKey, Task
from tests.factories import make_user

BODY = {"title": "x", "due_at": "2026-03-01T09:00:00Z", "tags": ["home"]}


def create(client, body=BODY, key="k"):
    return client.post("/api/v1/tasks/", body, headers={"Idempotency-Key": key})


def test_a_create_that_is_sent_again_finds_its_task(alice, api):
    first = create(api(alice))
    second = create(api(alice), dict(reversed(BODY.items())))

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert second["ETag"] == first["ETag"]
    assert Task.objects.count() == 1


def test_it_finds_the_task_as_it_is_now(alice, api):
    task = create(api(alice)).json()
    api(alice).post(f"/api/v1/tasks/{task['id']}/complete/")

    assert create(api(alice)).json()["status"] == "done"


def test_without_a_key_each_create_makes_a_task(alice, api):
    for _ in range(2):
        assert api(alice).post("/api/v1/tasks/", BODY).status_code == 201

    assert Task.objects.count() == 2


def test_the_same_key_for_other_content_is_422(alice, api):
    create(api(alice))

    response = create(api(alice), {**BODY, "title": "y"})

    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert Task.objects.count() == 1


def test_keys_belong_to_their_owners(alice, bob, api):
    assert create(api(alice)).status_code == 201
    assert create(api(bob)).status_code == 201
    assert Task.objects.count() == 2


def test_a_create_that_failed_leaves_its_key_free(alice, api):
    assert create(api(alice), {"title": ""}).status_code == 400
    assert create(api(alice)).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "ä", "\x7f"])
def test_a_key_that_is_none_is_400(alice, api, key):
    response = create(api(alice), key=key)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"
    assert not Task.objects.exists()


def at_once(number, action):
    """What each of so many threads gets from `action`, all let off together."""
    line = Barrier(number)

    def run(index):
        try:
            connection.ensure_connection()
            line.wait(timeout=30)
            return action(index)
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(run, range(number)))


def client_of(user) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_many_at_once_make_one_task(committed_db):
    alice = make_user("alice")

    responses = at_once(8, lambda _: create(client_of(alice)))

    assert sorted(response.status_code for response in responses) == [200] * 7 + [201]
    assert len({response.json()["id"] for response in responses}) == 1
    assert Task.objects.count() == IdempotencyKey.objects.count() == 1


@pytest.mark.parametrize("is_carried_out", [True, False], ids=["answer lost", "never heard"])
def test_whichever_request_to_the_database_is_lost_a_repeated_create_makes_one_task(wire, alice, api, is_carried_out):
    client = api(alice)
    client.raise_request_exception = False
    answers, number = [503], 0
    while answers[0] == 503:
        number += 1
        wire.break_after(number, is_carried_out=is_carried_out)
        answers = [create(client, key=f"key {number}").status_code]
        wire.mend()
        connection.close()

        answers.append(create(client, key=f"key {number}").status_code)

        assert answers[1] in {200, 201}
        assert Task.objects.count() == number, f"after {number} requests"
    assert answers == [201, 200]
    assert number > 5
