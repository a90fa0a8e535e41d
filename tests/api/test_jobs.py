"""`/api/v1/jobs/`, for staff."""

import pytest
from django_celery_results.models import TaskResult


@pytest.mark.parametrize(
    ("stored", "shown"),
    [('{"planned": 3}', {"planned": 3}), ("null", None), (None, None), ("Traceback (most", "Traceback (most")],
)
def test_a_job_shows_what_it_returned(staff, api, stored, shown):
    TaskResult.objects.create(
        task_id="a1",
        task_name="reminders.deliver",
        periodic_task_name="due-soon-reminders",
        status="SUCCESS",
        result=stored,
    )

    job = api(staff).get("/api/v1/jobs/a1/").json()

    assert job == {
        **job, "id": "a1", "job": "reminders.deliver", "schedule": "due-soon-reminders", "status": "SUCCESS",
        "result": shown,
    }  # fmt: skip


def test_jobs_are_filtered_by_name_and_status(staff, api):
    TaskResult.objects.create(task_id="a1", task_name="reminders.deliver", status="SUCCESS")
    TaskResult.objects.create(task_id="a2", task_name="reminders.prune", status="FAILURE")

    def found(query: str) -> list[str]:
        return [job["id"] for job in api(staff).get(f"/api/v1/jobs/?{query}").json()["results"]]

    assert found("job=reminders.deliver") == ["a1"]
    assert found("status=FAILURE") == ["a2"]
    assert found("") == ["a2", "a1"]
