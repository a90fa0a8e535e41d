"""`/metrics`: what the processes have counted, and how the reminders stand in PostgreSQL."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from attachments.models import Attachment
from reminders.models import TaskChange
from schedules.models import ScheduleRun, ScheduleState
from tests.factories import make_delivery, make_reminder, make_task


@pytest.fixture
def scrape(client, db):
    """The samples of a scrape: {(name, label values…): value}."""

    def scrape() -> dict[tuple[str, ...], float]:
        response = client.get("/metrics")
        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/plain; version=")
        return dict(samples(response.text))

    return scrape


def samples(text: str) -> Iterator[tuple[tuple[str, ...], float]]:
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            yield (sample.name, *sample.labels.values()), sample.value


def test_an_empty_service_has_every_gauge_at_nothing(scrape):
    assert scrape() == {
        ("taskapp_changes_waiting",): 0,
        ("taskapp_deliveries", "queued"): 0,
        ("taskapp_deliveries", "leased"): 0,
        ("taskapp_deliveries", "failed"): 0,
        ("taskapp_oldest_due_delivery_seconds",): 0,
        ("taskapp_oldest_due_reminder_seconds",): 0,
        **{("taskapp_attachments", state): 0 for state in Attachment.State.values if state != "ready"},
        **{
            ("taskapp_attachment_stages", stage, status): 0
            for stage in ("scan", "thumbnailing")
            for status in ("queued", "leased")
        },
        ("taskapp_files_to_erase",): 0,
        ("taskapp_oldest_due_scan_seconds",): 0,
        ("taskapp_schedule_runs", "due"): 0,
        ("taskapp_schedule_runs", "published"): 0,
        ("taskapp_schedule_runs", "started"): 0,
        ("taskapp_oldest_due_schedule_seconds",): 0,
        ("taskapp_broken_schedules",): 0,
    }


def test_gauges_tell_how_schedules_stand(scrape):
    broken, late, other = PeriodicTask.objects.order_by("pk")[:3]
    ago = timezone.now() - timedelta(seconds=90)
    ScheduleState.objects.bulk_create(
        [ScheduleState(schedule=broken, problem="no such job"), ScheduleState(schedule=late, look_at=ago)]
    )
    ScheduleRun.objects.create(schedule=late, scheduled_for=ago, status="published", look_at=ago)
    ScheduleRun.objects.create(schedule=other, scheduled_for=ago, status="finished", started_at=ago)

    found = scrape()

    assert (found["taskapp_schedule_runs", "published"], found["taskapp_schedule_runs", "started"]) == (1, 0)
    assert 90 <= found["taskapp_oldest_due_schedule_seconds",] < 100
    assert found["taskapp_broken_schedules",] == 1


def test_gauges_tell_how_the_reminders_stand(alice, scrape):
    now = timezone.now()
    make_delivery(make_task(alice), not_before=now - timedelta(seconds=90))
    make_delivery(make_task(alice), not_before=now + timedelta(hours=1))
    make_delivery(make_task(alice), status="failed")
    make_delivery(make_task(alice), status="sent")
    make_reminder(make_task(alice), remind_at=now - timedelta(seconds=30))

    found = scrape()

    assert found["taskapp_changes_waiting",] == TaskChange.objects.count() == 5
    assert found["taskapp_deliveries", "queued"] == 2
    assert found["taskapp_deliveries", "leased"] == 0
    assert found["taskapp_deliveries", "failed"] == 1
    assert 90 <= found["taskapp_oldest_due_delivery_seconds",] < 120
    assert 30 <= found["taskapp_oldest_due_reminder_seconds",] < 60


def test_a_scrape_is_one_statement_for_reminders_one_for_attachments_and_one_for_schedules(scrape):
    with CaptureQueriesContext(connection) as queries:
        scrape()

    assert len(queries) == 3


@pytest.fixture
def counted_in_files(settings, tmp_path, monkeypatch) -> None:
    """Two processes of two hosts have counted, as web and workers do."""
    settings.METRICS_DIR = tmp_path
    for number, host in enumerate(["web", "worker"], start=1):
        (tmp_path / host).mkdir()
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / host))
        value = values.MultiProcessValue(lambda number=number: number)(
            "counter", "taskapp_steps", "taskapp_steps_total", ["kind", "step"], ["delivery", "sent"], "Steps."
        )
        value.inc(number * 10)


def test_what_all_processes_have_counted_is_added_up(counted_in_files, scrape):
    assert scrape()["taskapp_steps_total", "delivery", "sent"] == 30
