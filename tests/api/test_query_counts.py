"""A list costs the same number of statements for few rows and for many."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_celery_results.models import TaskResult

from accounts.services import create_token
from taskapp.models import Tag
from tests.factories import make_delivery, make_task


def add_rows(staff, number: int) -> None:
    """So many more of everything that has a list."""
    interval, _ = IntervalSchedule.objects.get_or_create(every=5, period="minutes")
    for _ in range(number):
        task = make_task(staff)
        task.tags.add(
            Tag.objects.create(owner=staff, name=f"a{task.pk}"), Tag.objects.create(owner=staff, name=f"b{task.pk}")
        )
        make_delivery(task, status="sent")
        PeriodicTask.objects.create(name=f"schedule {task.pk}", task="x", interval=interval)
        TaskResult.objects.create(task_id=f"job-{task.pk}")
        create_token(staff)


def statements(client, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    assert response.status_code == 200
    return len(queries)


@pytest.mark.parametrize("kind", ["tasks", "tags", "reminders", "deliveries", "tokens", "schedules", "jobs"])
def test_a_list_costs_the_same_for_5_rows_and_for_50(staff, api, kind):
    add_rows(staff, 5)
    few = statements(api(staff), f"/api/v1/{kind}/")

    add_rows(staff, 45)

    assert len(api(staff).get(f"/api/v1/{kind}/").json()["results"]) == 50
    assert statements(api(staff), f"/api/v1/{kind}/") == few <= 3
