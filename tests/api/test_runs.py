"""`/api/v1/schedules/{id}/run/` and `/runs/`: runs on request, and what became of each tick."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult

from schedules.models import RunStatus, ScheduleRun

MOMENT = datetime(2026, 3, 1, 9, tzinfo=UTC)
OPEN = {RunStatus.DUE, RunStatus.PUBLISHED, RunStatus.STARTED}


@pytest.fixture
def schedule(db) -> PeriodicTask:
    return PeriodicTask.objects.get(name="due-soon-reminders")


@pytest.fixture
def address(schedule) -> str:
    return f"/api/v1/schedules/{schedule.pk}/"


def make_run(schedule: PeriodicTask, *, minutes: int = 0, status: str = "finished", **fields) -> ScheduleRun:
    moment = MOMENT + timedelta(minutes=minutes)
    if status in {"started", "finished"}:
        fields.setdefault("started_at", moment + timedelta(seconds=1.5))
    look_at = moment if status in OPEN else None
    return ScheduleRun.objects.create(
        schedule=schedule, scheduled_for=moment, status=status, look_at=look_at, **fields
    )  # fmt: skip


def test_a_run_that_is_asked_for_is_a_row(staff, api, schedule, address):
    response = api(staff).post(f"{address}run/")

    shown = response.json()
    run = ScheduleRun.objects.get()
    assert response.status_code == 202
    assert (run.schedule, run.requested_by, run.published_at) == (schedule, staff, None)
    assert shown == {
        **shown, "id": run.pk, "kind": "request", "status": "due", "requested_by": "staff", "late_seconds": None,
        "job_id": str(run.job_id), "job": None,
    }  # fmt: skip
    assert api(staff).get(f"{address}runs/").json()["results"] == [shown]


def test_the_same_key_finds_the_same_run(staff, api, address):
    def run(key: str) -> int:
        return api(staff).post(f"{address}run/", headers={"Idempotency-Key": key}).json()["id"]

    assert run("a") == run("a") != run("b")
    assert ScheduleRun.objects.count() == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_a_key_is_printable_and_not_too_long(staff, api, address, key):
    response = api(staff).post(f"{address}run/", headers={"Idempotency-Key": key})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"
    assert not ScheduleRun.objects.exists()


def test_a_run_tells_all_about_itself(staff, api, schedule, address):
    run = make_run(schedule, ticks=3, since=MOMENT, reason="one run for 3 ticks", worker="w", starts=1, publishes=2)
    TaskResult.objects.create(task_id=str(run.job_id), status="SUCCESS")

    (shown,) = api(staff).get(f"{address}runs/").json()["results"]

    assert shown == {
        "id": run.pk, "kind": "tick", "scheduled_for": "2026-03-01T09:00:00Z", "status": "finished",
        "reason": "one run for 3 ticks", "ticks": 3, "since": "2026-03-01T09:00:00Z", "requested_by": None,
        "published_at": None, "started_at": "2026-03-01T09:00:01.500000Z", "finished_at": None, "late_seconds": 1.5,
        "starts": 1, "publishes": 2, "worker": "w", "job_id": str(run.job_id),
        "job": f"http://testserver/api/v1/jobs/{run.job_id}/",
    }  # fmt: skip
    assert api(staff).get(shown["job"]).status_code == 200


def test_runs_are_found_by_status_kind_and_time_newest_first(staff, api, schedule, address):
    early, late = make_run(schedule), make_run(schedule, minutes=10, status="missed")
    asked = make_run(schedule, minutes=5, kind="request")
    make_run(PeriodicTask.objects.get(name="prune-results"))

    def found(query: str) -> list[int]:
        return [run["id"] for run in api(staff).get(f"{address}runs/?{query}").json()["results"]]

    assert found("") == [late.pk, asked.pk, early.pk]
    assert found("ordering=scheduled_for") == [early.pk, asked.pk, late.pk]
    assert found("status=missed&status=skipped") == [late.pk]
    assert found("kind=request") == [asked.pk]
    assert found("from=2026-03-01T09:05:00Z") == [late.pk, asked.pk]
    assert found("to=2026-03-01T09:05:00Z") == [early.pk]


@pytest.mark.parametrize("query", ["status=x", "kind=x", "from=2026-03-01T09:05:00", "to=x", "since=x", "page=0"])
def test_what_is_no_filter_is_refused(staff, api, address, query):
    response = api(staff).get(f"{address}runs/?{query}")

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == query.split("=")[0]


def test_a_schedule_that_is_not_there_has_no_runs(staff, api):
    for more in ("runs/", "next/"):
        assert api(staff).get(f"/api/v1/schedules/0/{more}").status_code == 404
    assert api(staff).post("/api/v1/schedules/0/run/").status_code == 404


def test_a_page_of_runs_costs_the_same_for_5_and_for_50(staff, api, schedule, address):
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert api(staff).get(f"{address}runs/").status_code == 200
        return len(queries)

    for minute in range(5):
        make_run(schedule, minutes=minute, requested_by=staff)
    few = statements()
    for minute in range(5, 50):
        TaskResult.objects.create(task_id=str(make_run(schedule, minutes=minute, requested_by=staff).job_id))

    assert statements() == few <= 4
