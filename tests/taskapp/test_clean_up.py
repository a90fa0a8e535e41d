"""What is no longer wanted goes away in time, and nothing else does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from taskapp import services
from taskapp.models import IdempotencyKey, Task
from tests.factories import make_delivery, make_task

MONTH = timedelta(days=30)


@pytest.fixture
def old(alice) -> Task:
    return make_task(alice, title="old", deleted_at=timezone.now() - timedelta(days=31))


def test_tombstones_are_purged_with_all_of_theirs(alice, old):
    old.tags.create(owner=alice, name="home")
    make_delivery(old, status="sent")
    fresh = make_task(alice, deleted_at=timezone.now() - timedelta(days=29))
    present = make_task(alice)

    assert services.purge_tombstones(older_than=MONTH) == 1

    assert set(Task.objects.all()) == {fresh, present}


def test_a_batch_is_no_larger_than_asked(alice, old):
    make_task(alice, deleted_at=timezone.now() - timedelta(days=40))

    assert services.purge_tombstones(older_than=MONTH, limit=1) == 1
    assert services.purge_tombstones(older_than=MONTH, limit=1) == 1
    assert services.purge_tombstones(older_than=MONTH, limit=1) == 0


def test_a_restored_task_is_not_purged(alice):
    task = make_task(alice, deleted_at=timezone.now() - timedelta(days=29))
    services.restore_task(task)

    assert services.purge_tombstones(older_than=timedelta(0)) == 0


def test_what_is_to_be_purged_is_not_restored_any_more(old, alice, api):
    """Its files may have gone already, though a history of its reminders may keep its row for longer."""
    assert api(alice).post(f"/api/v1/tasks/{old.pk}/restore/").status_code == 404
    assert services.restore_tasks(Task.objects.all()) == 0


def test_idempotency_keys_are_forgotten_after_a_week(alice):
    for key, days in [("old", 8), ("new", 6)]:
        services.create_task_once(alice, key=key, fingerprint="x", title="x")
        IdempotencyKey.objects.filter(key=key).update(created_at=timezone.now() - timedelta(days=days))

    assert services.prune_idempotency_keys() == 1

    assert IdempotencyKey.objects.get().key == "new"
    assert Task.objects.count() == 2
