"""One sweep, from a task that was saved to a message for a worker."""

import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models import F

from config.celery import app
from reminders.models import Delivery, Reminder, TaskChange
from reminders.planning import plan
from reminders.sweep import BELL, DELIVER_QUEUE, send_due_soon
from reminders.tasks import send_due_soon_reminders
from taskapp import services
from taskapp.dates import local_of
from taskapp.models import Task
from tests.at_once import another_connection
from tests.factories import in_hours, make_delivery, make_reminder, make_task, make_user
from work.bell import MOST_WAITING
from work.models import Bell, Breaker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _planned(db) -> None:
    """The default rule's own change is no work of these tests."""
    plan()


def test_a_sweep_brings_a_due_task_from_its_change_to_a_message_for_a_worker(alice, broker):
    make_task(alice)

    counts = send_due_soon()

    assert counts == {"changes": 1, "planned": 1, "cancelled": 0, "dispatched": 1, "told": 0, "rescued": 0, "rung": 1}
    assert Delivery.objects.get().status == "queued"
    assert broker.llen(DELIVER_QUEUE) == 1


def test_a_sweep_with_nothing_to_do_has_the_mail_server_visited_and_then_does_nothing(alice, broker):
    first = send_due_soon()
    assert first == {"changes": 0, "planned": 0, "cancelled": 0, "dispatched": 0, "told": 0, "rescued": 0, "rung": 1}
    broker.delete(DELIVER_QUEUE)

    counts = send_due_soon()

    assert not any(counts.values())
    assert broker.llen(DELIVER_QUEUE) == 0


def test_a_second_sweep_sends_nothing_again(alice, broker):
    make_task(alice)
    send_due_soon()

    send_due_soon()

    assert Delivery.objects.count() == 1


def test_called_as_a_function_the_job_returns_its_counts(alice, broker):
    make_task(alice)

    counts = send_due_soon_reminders()

    assert counts["dispatched"] == 1


def test_the_queue_never_holds_more_than_a_few_messages_whatever_is_due(alice, broker, settings):
    settings.DELIVERY_BATCH_SIZE = 1
    for _ in range(MOST_WAITING + 5):
        make_delivery(make_task(alice))

    send_due_soon()
    send_due_soon()

    assert broker.llen(DELIVER_QUEUE) == MOST_WAITING


def test_a_sweep_without_a_broker_does_its_work_and_rings_for_nobody(alice, settings):
    make_task(alice)
    url, app.conf.broker_url = app.conf.broker_url, "redis://127.0.0.1:1/0"
    app.pool.force_close_all()
    try:
        counts = send_due_soon()
    finally:
        app.conf.broker_url = url

    assert counts["dispatched"] == 1
    assert counts["rung"] == 0


def test_nothing_is_rung_for_while_the_breaker_is_open(alice, broker):
    Breaker.objects.create(name="email", open_until=in_hours(1 / 120))
    make_delivery(make_task(alice))

    counts = send_due_soon()

    assert counts["rung"] == 0


def test_a_sweep_answers_its_bell(alice, broker):
    send_due_soon()

    assert Bell.objects.get(name="reminders.send_due_soon").answered_at is not None


def test_deliveries_of_a_lost_worker_are_queued_again(alice, broker):
    make_delivery(make_task(alice), status="leased", lease_token=uuid.uuid4(), lease_until=in_hours(-1))

    counts = send_due_soon()

    delivery = Delivery.objects.get()
    assert counts["rescued"] == 1
    assert (delivery.status, delivery.reason) == ("queued", "the worker that had it was lost")


def test_by_hand_it_prints_its_counts(alice, broker):
    make_task(alice)
    out = StringIO()

    call_command("send_due_soon", stdout=out)

    assert out.getvalue() == "changes: 1, planned: 1, cancelled: 0, dispatched: 1, told: 0, rescued: 0, rung: 1\n"


def test_a_dry_run_says_what_it_would_do_for_each_task_and_changes_nothing(alice, broker):
    make_task(alice, title="Pay the rent")
    make_task(alice, title="Water the plants", due_in_hours=48)
    out = StringIO()

    call_command("send_due_soon", "--dry-run", stdout=out)

    lines = out.getvalue().splitlines()
    assert lines[0].startswith("would send now    task ")
    assert "'Pay the rent'" in lines[0]
    assert lines[1].startswith("would plan        task ")
    assert "'Water the plants'" in lines[1]
    assert lines[2] == "1 to send now, 2 newly planned; nothing was changed."
    assert Reminder.objects.count() == 0
    assert TaskChange.objects.count() == 2
    assert broker.llen(DELIVER_QUEUE) == 0


def test_a_reminder_that_somebody_holds_does_not_keep_others_from_being_sent(committed_db, broker):
    held, due = make_task(make_user("alice")), make_task(make_user("bob"))
    plan()
    services.complete_task(held)

    with another_connection() as other:
        other.execute("SELECT 1 FROM reminders_reminder WHERE task_id = %s FOR UPDATE", [held.pk])
        counts = send_due_soon()

    assert counts["dispatched"] == 1
    assert Delivery.objects.get().reminder.task == due


def test_a_clock_that_is_set_back_ends_the_quiet_that_a_reminder_waited_for(alice, broker):
    waiting = make_reminder(make_task(alice), remind_at=in_hours(1))
    ahead = make_reminder(make_task(alice, due_in_hours=48))
    before = ahead.remind_at
    plan()

    Bell.objects.update_or_create(name=BELL, defaults={"answered_at": in_hours(1)})
    send_due_soon()

    waiting.refresh_from_db()
    ahead.refresh_from_db()
    assert waiting.status == "dispatched"
    assert (ahead.status, ahead.remind_at) == ("planned", before)


def test_a_sweep_says_what_was_meant_by_a_due_date_that_sql_has_written(alice, broker):
    task = make_task(alice, timezone="Europe/Berlin")
    Task.objects.update(due_at=F("due_at") + timedelta(hours=1))

    send_due_soon()

    task.refresh_from_db()
    assert task.due_local == local_of(task.due_at, "Europe/Berlin", all_day=False)
