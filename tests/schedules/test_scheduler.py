"""Beat's loop, in this process, against the real broker."""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config.celery import app
from reminders.canary import MAIL
from reminders.planning import plan
from reminders.sweep import BELL
from schedules import services
from schedules.models import ScheduleRun
from schedules.scheduler import LedgerScheduler
from tests.broker import empty
from tests.factories import make_task, make_user
from work.bell import answer


@pytest.fixture
def scheduler(committed_db, broker):
    """A scheduler that knows the schedules, none of which is due: only wake sources make it publish."""
    PeriodicTask.objects.update(last_run_at=timezone.now())
    plan()
    scheduler = LedgerScheduler(app=app)
    yield scheduler
    scheduler.close()


def look(scheduler) -> float:
    """A look at everything, wake sources and open runs included."""
    scheduler.wake_at = scheduler.recheck_at = scheduler.publish_at = 0.0
    return scheduler.tick()


def queued(broker) -> int:
    return broker.llen("celery")


def settle(scheduler) -> None:
    """Let the canary's first ring go out and be answered, by a worker and by the mail server."""
    look(scheduler)
    answer(BELL)
    answer(MAIL)


def test_a_saved_task_makes_it_tick_at_the_next_look(scheduler, broker):
    settle(scheduler)
    empty(broker)
    make_task(make_user("alice"))

    seconds = look(scheduler)

    assert queued(broker) == 1
    assert 0 <= seconds <= settings.SCHEDULE_WAKE_INTERVAL_SECONDS


def test_without_work_it_does_not_tick(scheduler, broker):
    settle(scheduler)
    empty(broker)

    look(scheduler)

    assert queued(broker) == 0


def test_a_wake_up_bears_no_expiry_which_a_worker_would_judge_by_its_own_clock(scheduler, broker):
    PeriodicTask.objects.update(expire_seconds=60)
    settle(scheduler)
    empty(broker)
    make_task(make_user("alice"))

    look(scheduler)

    (message,) = broker.lrange("celery", 0, -1)
    assert json.loads(message)["headers"]["expires"] is None


def test_it_does_not_tick_again_while_that_tick_is_out(scheduler, broker):
    settle(scheduler)
    empty(broker)
    make_task(make_user("alice"))

    for _ in range(3):
        look(scheduler)

    assert queued(broker) == 1


def test_a_wake_up_is_no_run_of_the_schedule(scheduler, broker):
    settle(scheduler)
    make_task(make_user("alice"))
    before = PeriodicTask.objects.values_list("last_run_at", "total_run_count").get(name="due-soon-reminders")

    look(scheduler)

    assert PeriodicTask.objects.values_list("last_run_at", "total_run_count").get(name="due-soon-reminders") == before
    assert not ScheduleRun.objects.exists()


@pytest.mark.parametrize("how", ["disabled", "paused"])
def test_a_schedule_that_does_not_run_is_not_woken(scheduler, broker, how):
    schedule = PeriodicTask.objects.get(name="due-soon-reminders")
    if how == "disabled":
        PeriodicTask.objects.update(enabled=False)
    else:
        services.pause(schedule, until=timezone.now() + timedelta(hours=1))
    make_task(make_user("alice"))

    look(scheduler)

    assert queued(broker) == 0


def test_starting_overwrites_no_edit_and_brings_back_no_deleted_schedule(committed_db, broker):
    PeriodicTask.objects.filter(name="prune-results").delete()
    PeriodicTask.objects.filter(name="due-soon-reminders").update(description="Ours", enabled=False)

    call_command("prepare")
    LedgerScheduler(app=app).tick()

    assert not PeriodicTask.objects.filter(name__in=["prune-results", "celery.backend_cleanup"]).exists()
    edited = PeriodicTask.objects.get(name="due-soon-reminders")
    assert (edited.description, edited.enabled) == ("Ours", False)


def test_a_broker_that_goes_away_does_not_end_beat(scheduler, broker):
    settle(scheduler)
    make_task(make_user("alice"))
    scheduler.producer.connection.default_channel.client.connection_pool.connection_kwargs["port"] = 1
    scheduler.producer.connection.default_channel.client.connection_pool.disconnect()

    seconds = look(scheduler)

    assert 0 <= seconds <= settings.SCHEDULE_WAKE_INTERVAL_SECONDS
