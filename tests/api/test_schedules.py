"""`/api/v1/schedules/` and `/api/v1/jobs/`, for staff."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, PeriodicTask
from django_celery_results.models import TaskResult

from schedules.models import RunRequest
from schedules.services import next_run_at


def test_the_default_schedule_is_there_with_its_next_run(staff, api):
    shown = api(staff).get("/api/v1/schedules/?search=due-soon").json()["results"][0]

    assert shown == {
        **shown, "name": "due-soon-reminders", "job": "reminders.send_due_soon", "schedule": "every minute",
        "enabled": True, "last_run_at": None, "total_run_count": 0,
    }  # fmt: skip
    assert shown["next_run_at"] is not None


def test_a_run_that_is_asked_for_is_a_row(staff, api):
    schedule = PeriodicTask.objects.get(name="due-soon-reminders")

    response = api(staff).post(f"/api/v1/schedules/{schedule.pk}/run/")

    assert response.status_code == 202
    assert response.json()["name"] == "due-soon-reminders"
    request = RunRequest.objects.get()
    assert (request.schedule, request.requested_by, request.published_at) == (schedule, staff, None)


def make_schedule(**fields) -> PeriodicTask:
    return PeriodicTask.objects.create(name="mine", task="reminders.send_due_soon", **fields)


@pytest.fixture
def nightly(db) -> CrontabSchedule:
    return CrontabSchedule.objects.create(minute="30", hour="3", timezone="UTC")


def test_a_crontabs_next_run_follows_its_last(nightly):
    last = datetime(2026, 3, 1, 3, 30, tzinfo=UTC)
    schedule = make_schedule(crontab=nightly, last_run_at=last)

    expected = nightly.schedule.remaining_estimate(timezone.now())

    assert abs(next_run_at(schedule) - timezone.now()) < timedelta(seconds=5)  # long overdue, so now
    schedule.last_run_at = timezone.now()
    assert abs(next_run_at(schedule) - (timezone.now() + expected)) < timedelta(seconds=5)


@pytest.mark.parametrize("fields", [{"enabled": False}, {"expires": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_a_schedule_that_is_off_or_over_has_no_next_run(nightly, fields):
    assert next_run_at(make_schedule(crontab=nightly, **fields)) is None


def test_a_schedule_that_has_not_begun_runs_first_when_it_does(nightly):
    begin = timezone.now() + timedelta(days=3)

    assert next_run_at(make_schedule(crontab=nightly, start_time=begin)) == begin


def test_a_clocked_schedule_runs_at_its_moment(db):
    moment = timezone.now() + timedelta(days=3)
    schedule = make_schedule(clocked=ClockedSchedule.objects.create(clocked_time=moment), one_off=True)

    assert abs(next_run_at(schedule) - moment) < timedelta(seconds=5)


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
