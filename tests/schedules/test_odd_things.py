"""What nobody means to write, say or do: it stops nothing but itself."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, IntervalSchedule, PeriodicTask

from config.celery import app
from schedules import ledger, services, taking
from schedules.jobs import RUN
from schedules.models import Policy, ScheduleChange, ScheduleRun, ScheduleState
from tests.broker import empty
from tests.factories import make_user
from tests.schedules.beats import fall_due, lapse, make_schedule, messages, statuses


@pytest.fixture
def pair(beat):
    """An odd schedule, and one behind it."""
    odd, good = make_schedule("odd", every=3600), make_schedule("good", every=3600)
    beat.look()
    return odd, good


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        r"""UPDATE django_celery_beat_periodictask SET kwargs = '{"\u0000": 1}' WHERE name = 'odd'""",
        r"""UPDATE django_celery_beat_periodictask SET kwargs = '{"\ud800": 1}' WHERE name = 'odd'""",
        "UPDATE django_celery_beat_periodictask SET total_run_count = 2147483647 WHERE name = 'odd'",
        """INSERT INTO schedules_policy (schedule_id, "window")
           SELECT id, '-170000000 years' FROM django_celery_beat_periodictask WHERE name = 'odd'""",
        """UPDATE schedules_schedulestate SET next_at = 'infinity', phase = 'infinity' WHERE schedule_id IN
           (SELECT id FROM django_celery_beat_periodictask WHERE name = 'odd')""",
    ],
)
def test_an_odd_row_does_not_stop_the_next(pair, beat, broker, statement):
    odd, good = pair
    fall_due(odd, ago=0.2)
    fall_due(good, ago=0.1)
    sql(statement)

    beat.look()
    beat.look()

    assert statuses(good) == ["published"]


def test_a_run_that_cannot_even_say_why_it_is_not_sent_does_not_stop_the_next(pair, beat, broker):
    odd, good = pair
    PeriodicTask.objects.filter(pk=odd.pk).update(kwargs=r'{"\u0000": 1}')
    services.request_run([odd, good], by=make_user("staff"))

    beat.look()

    assert (statuses(odd), statuses(good)) == (["failed"], ["published"])


def test_a_queue_that_is_none_does_not_stop_the_next(beat, broker):
    broker.sadd("taskapp tests no list", "x")
    odd, good = make_schedule("odd", every=3600, queue="taskapp tests no list"), make_schedule("good", every=3600)
    beat.look()
    fall_due(odd, ago=0.2)
    fall_due(good, ago=0.1)

    beat.look()

    assert (statuses(odd), statuses(good)) == (["failed"], ["published"])
    assert "WRONGTYPE" in ScheduleRun.objects.get(schedule=odd).reason
    broker.delete("taskapp tests no list")


def test_a_message_of_somebody_elses_does_not_hide_what_is_lost(pair, beat, broker):
    fall_due(pair[1])
    beat.look()
    broker.delete("celery")
    broker.lpush("celery", "hello", '{"headers": 1}', "[]")
    lapse()

    beat.look()

    assert broker.llen("celery") == 4


@pytest.mark.parametrize("text", ["a\0b", "\udcff"])
def test_a_job_that_breaks_with_odd_words_has_failed_once(pair, beat, broker, text):
    fall_due(pair[1])
    beat.look()
    run = ScheduleRun.objects.get()
    done = []

    def breaks() -> None:
        done.append("ran")
        raise ValueError(text)

    app.task(breaks, name="tests.breaks", shared=False, lazy=False)
    try:
        app.tasks["tests.breaks"].apply(task_id=str(run.job_id), headers={RUN: run.pk})
    finally:
        del app.tasks["tests.breaks"]

    run.refresh_from_db()
    assert (run.status, done) == ("failed", ["ran"])
    assert run.reason.startswith("ValueError")


def test_the_message_of_a_start_that_died_starts_nothing_later(pair, beat, broker):
    fall_due(pair[1])
    beat.look()
    run = ScheduleRun.objects.get()
    old = str(run.job_id)
    taking.take(old, run=run.pk)
    ScheduleRun.objects.update(is_doubted=True)
    lapse()
    beat.look()  # under a new id

    assert isinstance(taking.take(old, run=run.pk), taking.TakenBefore)


def test_what_was_disabled_is_not_started_though_its_message_waits(pair, beat, broker):
    _, good = pair
    fall_due(good)
    beat.look()
    PeriodicTask.objects.update(enabled=False)

    taken = taking.take(messages(broker)[0]["headers"]["id"])
    empty(broker)
    lapse()
    beat.look()

    assert isinstance(taken, taking.TakenBefore)
    assert statuses(good) == ["skipped"]


def test_disabling_is_no_outage_also_when_no_beat_has_seen_it(pair, beat, broker):
    _, good = pair
    ago = timezone.now() - timedelta(minutes=30)
    ScheduleState.objects.filter(schedule=good).update(
        last_at=ago - timedelta(hours=1), next_at=ago, look_at=ago, phase=ago
    )
    PeriodicTask.objects.filter(pk=good.pk).update(enabled=False)
    ScheduleChange.objects.update(at=timezone.now() - timedelta(hours=1))
    PeriodicTask.objects.filter(pk=good.pk).update(enabled=True)

    beat.look()

    assert statuses(good) == []
    assert ScheduleState.objects.get(schedule=good).next_at > timezone.now()


@pytest.mark.parametrize("catch_up", ["once", "all"])
def test_the_tick_to_leave_out_is_left_out_also_among_others_that_were_missed(pair, beat, broker, catch_up):
    _, good = pair
    moment = timezone.now() - timedelta(minutes=1)
    ScheduleState.objects.filter(schedule=good).update(
        phase=moment, last_at=moment - timedelta(hours=3), next_at=moment - timedelta(hours=2), look_at=moment
    )
    Policy.objects.create(schedule=good, catch_up=catch_up, overlap="queue", skip_at=moment - timedelta(hours=1))

    for _ in range(4):
        beat.look()

    assert statuses(good) == ["published", "skipped", "published"]


def test_a_one_off_that_gets_a_new_time_while_its_run_is_written_down_is_not_disabled(beat, broker, monkeypatch):
    clocked = ClockedSchedule.objects.create(clocked_time=timezone.now())
    schedule = make_schedule(clocked=clocked, one_off=True)
    later = timezone.now() + timedelta(hours=1)
    project = ledger.project

    def edit_and_project(ids) -> None:
        PeriodicTask.objects.update(enabled=True, clocked=ClockedSchedule.objects.create(clocked_time=later))
        monkeypatch.undo()
        project(ids)

    monkeypatch.setattr(ledger, "project", edit_and_project)
    beat.look()
    beat.look()

    schedule.refresh_from_db()
    assert schedule.enabled
    assert ScheduleState.objects.get().next_at == later


def test_what_the_stock_scheduler_has_run_once_is_not_repeated_by_being_enabled(beat, broker):
    clocked = ClockedSchedule.objects.create(clocked_time=timezone.now() - timedelta(days=1))
    schedule = make_schedule(clocked=clocked, one_off=True, enabled=False)  # and its count is 0 again
    beat.look()

    PeriodicTask.objects.update(enabled=True)
    beat.look()

    assert statuses(schedule) == []


def test_a_wake_source_that_breaks_does_not_stop_the_next(beat, broker):
    make_schedule("breaks", every=3600)
    make_schedule("wakes", every=3600)

    def breaks() -> bool:
        raise ValueError

    beat.scheduler.wake_sources = {"breaks": breaks, "wakes": lambda: True}
    beat.look()

    assert [message["headers"]["periodic_task_name"] for message in messages(broker)] == ["wakes"]


@pytest.mark.parametrize("columns", [{"args": "nonsense"}, {"expires": "2020-01-01T00:00Z"}, {"one_off": True}])
def test_a_schedule_that_is_broken_or_over_is_not_woken(beat, broker, columns):
    schedule = make_schedule("over", every=1, **columns)
    beat.look()
    if columns.get("one_off"):
        fall_due(schedule)
        beat.look()
        empty(broker)
        PeriodicTask.objects.update(enabled=True)
    beat.scheduler.wake_sources = {"over": lambda: True}

    beat.look()

    assert messages(broker) == []


def test_intervals_of_a_microsecond_do_not_flood_the_broker(beat, broker):
    interval = IntervalSchedule.objects.create(every=1, period="microseconds")
    schedule = make_schedule(interval=interval)

    for _ in range(5):
        beat.look()

    assert len(messages(broker)) == 1
    assert statuses(schedule)[0] == "published"
