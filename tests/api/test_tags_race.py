"""Two requests that name the same new tags in opposite order do not wait for each other in a circle."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connection, transaction
from rest_framework.test import APIClient

from taskapp.models import Tag, Task
from tests.factories import make_user
from tests.waiting import eventually


def create(user, *tags: str):
    client = APIClient()
    client.force_authenticate(user)
    try:
        return client.post("/api/v1/tasks/", {"title": "x", "tags": tags})
    finally:
        connection.close()


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def test_new_tags_are_made_in_one_order_by_everybody(committed_db):
    alice = make_user("alice")

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Tag.objects.create(owner=alice, name="a")
            other = threads.submit(create, alice, "b", "a")
            eventually(somebody_waits_for_a_lock)
            Tag.objects.create(owner=alice, name="b")
        response = other.result(timeout=30)

    assert response.status_code == 201
    assert response.json()["tags"] == ["a", "b"]
    assert set(Task.objects.get().tags.all()) == set(Tag.objects.all())
