"""What the database keeps of a task whoever writes it, and what it refuses."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection
from django.db.transaction import atomic
from django.utils import timezone

from taskapp.models import Tag, Task
from tests.factories import make_task


def test_raw_sql_keeps_the_version_and_the_moments(alice):
    task = make_task(alice)
    task.refresh_from_db()

    with connection.cursor() as cursor:
        cursor.execute("UPDATE taskapp_task SET status = 'done', created_at = '2000-01-01' WHERE id = %s", [task.pk])

    stored = Task.objects.get()
    assert stored.version == task.version + 1
    assert stored.updated_at > task.updated_at
    assert stored.created_at == task.created_at
    assert stored.completed_at is not None


def test_an_owner_a_title_and_a_due_date_are_enough_for_many_at_once(alice):
    Task.objects.bulk_create(Task(owner=alice, title="x", due_at=timezone.now()) for _ in range(3))

    assert Task.objects.filter(status="todo", priority="medium", version=1).count() == 3


def test_many_at_once_may_be_done(alice):
    Task.objects.bulk_create([Task(owner=alice, title="x", status="done")])

    assert Task.objects.get().completed_at is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"status": "over"},
        {"priority": "urgent"},
        {"due_at": datetime(1899, 12, 31, tzinfo=UTC)},
        {"due_at": datetime(9000, 1, 1, tzinfo=UTC)},
    ],
)
def test_the_impossible_is_refused(alice, fields):
    with pytest.raises(IntegrityError), atomic():
        make_task(alice, **fields)


@pytest.mark.parametrize("name", ["", "HOME"])
def test_a_tag_has_a_name_of_its_own(alice, name):
    Tag.objects.create(owner=alice, name="home")

    with pytest.raises(IntegrityError), atomic():
        Tag.objects.create(owner=alice, name=name)
