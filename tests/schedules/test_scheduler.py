"""Beat's scheduler, in this process, against the real broker."""

import json

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from config.celery import app
from reminders.canary import MAIL
from reminders.planning import plan
from reminders.sweep import BELL
from schedules.scheduler import WakefulScheduler
from schedules.services import next_run_at
from tests.broker import empty
from tests.factories import make_task, make_user
from work.bell import answer


@pytest.fixture
def scheduler(committed_db, broker):
    """A scheduler whose interval has just been served: only wake sources make it publish."""
    PeriodicTask.objects.update(last_run_at=timezone.now())
    plan()
    scheduler = WakefulScheduler(app=app)
    yield scheduler
    scheduler.close()


def queued(broker) -> int:
    return broker.llen("celery")


def settle(scheduler) -> None:
    """Let the canary's first ring go out and be answered, by a worker and by the mail server."""
    scheduler.tick()
    answer(BELL)
    answer(MAIL)


def test_a_saved_task_makes_it_tick_at_the_next_look(scheduler, broker):
    settle(scheduler)
    empty(broker)
    make_task(make_user("alice"))

    seconds = scheduler.tick()

    assert queued(broker) == 1
    assert seconds == settings.SCHEDULE_WAKE_INTERVAL_SECONDS


def test_without_work_it_does_not_tick(scheduler, broker):
    settle(scheduler)
    empty(broker)

    scheduler.tick()

    assert queued(broker) == 0


def test_a_wake_up_bears_no_expiry_which_a_worker_would_judge_by_its_own_clock(scheduler, broker):
    PeriodicTask.objects.update(expire_seconds=60)
    PeriodicTasks.update_changed()
    settle(scheduler)
    empty(broker)
    make_task(make_user("alice"))

    scheduler.tick()

    (message,) = broker.lrange("celery", 0, -1)
    assert json.loads(message)["headers"]["expires"] is None


def test_it_does_not_tick_again_while_that_tick_is_out(scheduler, broker):
    settle(scheduler)
    empty(broker)
    make_task(make_user("alice"))

    for _ in range(3):
        scheduler.tick()

    assert queued(broker) == 1


def test_a_wake_up_is_no_run_of_the_schedule(scheduler, broker):
    settle(scheduler)
    make_task(make_user("alice"))
    before = PeriodicTask.objects.values_list("last_run_at", "total_run_count").get(name="due-soon-reminders")

    scheduler.tick()

    assert PeriodicTask.objects.values_list("last_run_at", "total_run_count").get(name="due-soon-reminders") == before


def test_a_disabled_schedule_is_not_woken(committed_db, broker):
    PeriodicTask.objects.update(enabled=False)
    make_task(make_user("alice"))
    scheduler = WakefulScheduler(app=app)

    scheduler.tick()

    assert queued(broker) == 0


def test_the_first_edit_after_a_start_is_seen(committed_db, broker):
    PeriodicTasks.objects.all().delete()  # as after the first migration
    scheduler = WakefulScheduler(app=app)

    schedule = PeriodicTask.objects.get(name="prune-results")
    schedule.interval, schedule.crontab = IntervalSchedule.objects.create(every=7, period="days"), None
    schedule.save()

    assert scheduler.schedule["prune-results"].schedule.run_every.days == 7


def test_starting_overwrites_no_edit_and_brings_back_no_deleted_schedule(committed_db, broker):
    PeriodicTask.objects.filter(name="prune-results").delete()
    PeriodicTask.objects.filter(name="due-soon-reminders").update(description="Ours", enabled=False)

    call_command("prepare")
    WakefulScheduler(app=app)

    assert not PeriodicTask.objects.filter(name__in=["prune-results", "celery.backend_cleanup"]).exists()
    edited = PeriodicTask.objects.get(name="due-soon-reminders")
    assert (edited.description, edited.enabled) == ("Ours", False)


def test_a_schedule_that_cannot_be_read_does_not_stop_the_others(scheduler, broker):
    PeriodicTask.objects.filter(name="prune-results").update(headers="[]")
    PeriodicTasks.update_changed()
    settle(scheduler)
    empty(broker)
    make_task(make_user("alice"))

    scheduler.tick()

    assert queued(broker) == 1
    assert "prune-results" not in scheduler.schedule


def test_a_broker_that_goes_away_does_not_end_beat(scheduler, broker):
    settle(scheduler)
    make_task(make_user("alice"))
    scheduler.producer.connection.default_channel.client.connection_pool.connection_kwargs["port"] = 1
    scheduler.producer.connection.default_channel.client.connection_pool.disconnect()

    seconds = scheduler.tick()

    assert seconds == settings.SCHEDULE_WAKE_INTERVAL_SECONDS


def test_a_crontab_without_such_a_day_has_no_next_run(committed_db):
    schedule = PeriodicTask.objects.get(name="prune-results")
    schedule.crontab = CrontabSchedule.objects.create(minute="0", hour="0", day_of_month="31", month_of_year="2")

    assert next_run_at(schedule) is None
