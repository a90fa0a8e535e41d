"""A list costs the same number of statements for few rows and for many."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_celery_results.models import TaskResult

from accounts.services import create_token
from attachments.models import Attachment, Thumbnailing
from taskapp.models import Tag, Task
from tests.factories import make_attachment, make_delivery, make_task, make_thumbnail


def add_rows(staff, number: int) -> None:
    """So many more of everything that has a list."""
    interval, _ = IntervalSchedule.objects.get_or_create(every=5, period="minutes")
    with_files, _ = Task.objects.get_or_create(owner=staff, title="with files")
    for _ in range(number):
        task = make_task(staff)
        attachment = make_attachment(with_files, state="uploaded")
        Thumbnailing.objects.create(attachment=attachment, owner_id=staff.pk)
        make_thumbnail(attachment)
        make_thumbnail(attachment, size="large")
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


MOST = {
    "tasks/": 3, "tags/": 3, "reminders/": 3, "deliveries/": 3, "tokens/": 3, "schedules/": 3, "jobs/": 3,
    "attachments/": 4,  # one more says whether the scanner is away
    "tasks/{task}/attachments/": 5,
}  # fmt: skip


@pytest.mark.parametrize(("path", "most"), MOST.items())
def test_a_list_costs_the_same_for_5_rows_and_for_50(staff, api, path, most):
    add_rows(staff, 5)
    path = "/api/v1/" + path.format(task=Attachment.objects.latest("pk").task_id)
    few = statements(api(staff), path)

    add_rows(staff, 45)

    assert len(api(staff).get(path).json()["results"]) == 50
    assert statements(api(staff), path) == few <= most
