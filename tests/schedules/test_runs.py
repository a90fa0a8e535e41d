"""A run that is open: published, published again if its message is lost, given up if it is not worth it any more."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, PeriodicTask

from config.celery import app
from schedules import ledger, publishing, runs, services, taking
from schedules.models import Policy, ScheduleRun
from schedules.runs import PUBLISH_LEASE
from tests.broker import empty
from tests.factories import make_user
from tests.schedules.beats import Beat, fall_due, lapse, make_schedule, messages, statuses


@pytest.fixture
def due(beat):
    """A schedule that has a tick now."""
    schedule = make_schedule(every=3600)
    beat.look()
    fall_due(schedule)
    return schedule


def cut_off(beat) -> None:
    """Nobody answers at the broker's address."""
    beat.scheduler.close()
    beat.scheduler.connection = app.connection_for_write("redis://127.0.0.1:1/0")


def run_of(schedule) -> ScheduleRun:
    return ScheduleRun.objects.get(schedule=schedule)


# Beats that die


def test_a_run_whose_beat_died_before_it_published_is_published_by_another(due, broker):
    ledger.take_due(lease=PUBLISH_LEASE)  # and dies
    with Beat() as other:
        other.look()
        too_early = len(messages(broker))
        lapse()
        other.look()

    assert (too_early, len(messages(broker)), statuses(due)) == (0, 1, ["published"])


def test_a_run_whose_beat_died_after_it_published_is_not_published_again(due, beat, broker):
    _, ids = ledger.take_due(lease=PUBLISH_LEASE)
    (run,) = runs.read(ids)
    publishing.send(run, app, beat.scheduler.producer)  # and dies
    lapse()

    beat.look()

    assert (len(messages(broker)), statuses(due)) == (1, ["published"])
    assert run_of(due).published_at is not None


def test_a_beat_that_was_frozen_before_it_published_leaves_it_to_others(due, beat, broker, monkeypatch):
    _, ids = ledger.take_due(lease=PUBLISH_LEASE)
    moments = iter([0.0, 3.5])  # seconds since the start of the machine, at the beginning and before the message
    monkeypatch.setattr(publishing.time, "clock_gettime", lambda clock: next(moments))

    publishing.publish(ids, app, beat.scheduler.producer)

    assert (messages(broker), statuses(due)) == ([], ["due"])


def test_a_beat_that_was_frozen_longer_finds_that_another_has_published(beat, broker):
    schedule = make_schedule(every=3600, task="theirs", queue="theirs")  # whose workers would start it twice
    beat.look()
    fall_due(schedule)
    _, ids = ledger.take_due(lease=PUBLISH_LEASE)
    with Beat() as other:
        lapse()
        other.look()

    publishing.publish(ids, app, beat.scheduler.producer)

    assert len(messages(broker, "theirs")) == 1
    broker.delete("theirs")


def test_the_time_in_which_a_beat_may_publish_begins_before_its_look(due, beat, broker):
    _, ids = ledger.take_due(lease=PUBLISH_LEASE)

    publishing.publish(ids, app, beat.scheduler.producer, since=publishing.clock() - 3.5)

    assert (messages(broker), statuses(due)) == ([], ["due"])


# Messages that are lost


def test_a_message_that_is_gone_is_published_again_under_its_id(due, beat, broker):
    beat.look()
    first = messages(broker)
    empty(broker)
    lapse()

    beat.look()

    (again,) = messages(broker)
    assert again["headers"]["id"] == first[0]["headers"]["id"]
    assert run_of(due).publishes == 2


def test_a_message_that_waits_is_not_published_again(due, beat, broker):
    beat.look()
    lapse()

    beat.look()

    assert (len(messages(broker)), run_of(due).publishes) == (1, 1)
    assert run_of(due).look_at - timezone.now() > timedelta(seconds=9)


def test_a_message_with_a_priority_is_found_where_it_waits(beat, broker):
    schedule = make_schedule(every=3600, priority=9)
    beat.look()
    fall_due(schedule)
    beat.look()
    lapse()

    beat.look()

    assert len(messages(broker, "celery\x06\x169")) == 1
    broker.delete("celery\x06\x169")


def test_in_a_queue_that_is_too_long_to_read_a_message_counts_as_there(due, beat, broker):
    beat.look()
    empty(broker)
    broker.lpush("celery", *['{"headers": {}}'] * 1001)
    lapse()

    beat.look()

    assert (broker.llen("celery"), run_of(due).publishes) == (1001, 1)


def test_the_longer_nobody_takes_it_the_more_patient_is_beat(due, beat, broker):
    beat.look()
    waits = []
    for _ in range(8):
        empty(broker)
        lapse()
        beat.look()
        waits.append(round((run_of(due).look_at - timezone.now()).total_seconds()))

    assert waits == [20, 40, 80, 160, 300, 300, 300, 300]


# A broker that is away


def test_while_the_broker_is_away_what_is_due_stays_due(due, beat, broker):
    cut_off(beat)

    beat.look()

    assert (statuses(due), run_of(due).reason[:13]) == (["due"], "not published")


def test_when_it_is_back_one_run_stands_for_what_was_missed(beat, broker):
    schedule = make_schedule(every=5)
    beat.look()
    with Beat() as without_broker:
        cut_off(without_broker)
        for ago in (0.3, 0.2, 0.1):
            fall_due(schedule, ago=ago)
            without_broker.look()
    lapse()

    beat.look()

    assert (len(messages(broker)), statuses(schedule)) == (1, ["published", "merged", "merged"])


def age(schedule, span: timedelta) -> None:
    """As if its tick, and the wait for the broker, had been so long."""
    ScheduleRun.objects.filter(schedule=schedule).update(scheduled_for=timezone.now() - span)
    lapse()


@pytest.mark.parametrize(
    ("policy", "span", "reason"),
    [
        ({"catch_up": "skip"}, timedelta(minutes=2), "the broker was away for 2 min, and missed ticks are left out"),
        ({"window": timedelta(hours=1)}, timedelta(hours=2), "the broker was away for 2 h"),
        ({}, timedelta(days=8), "the broker was away for 8 d"),
    ],
)
def test_a_run_that_could_not_go_out_in_time_is_missed(due, beat, broker, policy, span, reason):
    Policy.objects.create(schedule=due, **policy)
    cut_off(beat)
    beat.look()
    age(due, span)

    with Beat() as later:
        later.look()

    assert (statuses(due), run_of(due).reason, messages(broker)) == (["missed"], reason, [])


def test_a_run_is_not_started_after_the_time_that_its_schedule_gives_it(due, beat, broker):
    PeriodicTask.objects.update(expire_seconds=60)
    beat.look()
    empty(broker)
    age(due, timedelta(seconds=90))

    beat.look()

    assert statuses(due) == ["missed"]
    assert run_of(due).reason == "no worker took it for 1 min 30 s, and it is to start within 1 min"


def test_its_message_expires_then_too(due, beat, broker):
    PeriodicTask.objects.update(expire_seconds=60)

    beat.look()

    assert messages(broker)[0]["headers"]["expires"] is not None


def test_what_is_disabled_before_it_could_go_out_does_not(due, beat, broker):
    cut_off(beat)
    beat.look()
    PeriodicTask.objects.update(enabled=False)
    lapse()

    with Beat() as later:
        later.look()

    assert (statuses(due), messages(broker)) == (["skipped"], [])


def test_a_one_off_goes_out_though_it_is_disabled_by_then(beat, broker):
    schedule = make_schedule(clocked=ClockedSchedule.objects.create(clocked_time=timezone.now()), one_off=True)
    cut_off(beat)
    beat.look()
    assert (statuses(schedule), PeriodicTask.objects.get().enabled) == (["due"], False)
    lapse()

    with Beat() as later:
        later.look()

    assert statuses(schedule) == ["published"]


# Requests


def test_a_run_that_was_asked_for_goes_out_at_the_next_look(beat, broker):
    schedule = make_schedule(every=3600, enabled=False)
    services.request_run([schedule], by=make_user("staff"))

    beat.look()

    assert (len(messages(broker)), statuses(schedule)) == (1, ["published"])


def test_nobody_wants_now_what_he_asked_for_an_hour_ago(beat, broker):
    schedule = make_schedule(every=3600)
    services.request_run([schedule], by=make_user("staff"))
    age(schedule, timedelta(hours=1, minutes=1))

    beat.look()

    assert (statuses(schedule), messages(broker)) == (["missed"], [])


# What cannot be sent, and what nobody watches


def test_a_job_for_other_workers_is_published_once_and_not_watched(beat, broker):
    schedule = make_schedule(every=3600, task="theirs", queue="theirs", args="[1]", kwargs='{"a": 2}')
    beat.look()
    fall_due(schedule)

    beat.look()
    beat.look()

    assert statuses(schedule) == ["unobserved"]
    assert len(messages(broker, "theirs")) == 1
    broker.delete("theirs")


def test_a_run_that_cannot_be_sent_fails_alone(beat, broker):
    bad, good = make_schedule("bad", every=3600, priority=9), make_schedule("good", every=3600)
    beat.look()
    fall_due(bad, good)
    _, ids = ledger.take_due(lease=PUBLISH_LEASE)
    PeriodicTask.objects.filter(name="bad").update(args="nonsense")

    publishing.publish(ids, app, beat.scheduler.producer)

    assert (statuses(bad), statuses(good)) == (["failed"], ["published"])
    assert "The positional arguments are not JSON" in run_of(bad).reason


# Workers that die


@pytest.fixture
def started(due, beat, broker):
    """A run that a worker has begun, which then died."""
    beat.look()
    assert taking.take(messages(broker)[0]["headers"]["id"]) == 1
    empty(broker)
    die(broker)
    return due


def die(broker) -> None:
    """As if nothing had been heard of the worker, and again nothing when that was doubted."""
    ScheduleRun.objects.update(is_doubted=True)
    lapse()


def test_a_worker_that_is_late_is_waited_for_before_it_is_taken_for_dead(started, beat, broker):
    ScheduleRun.objects.update(is_doubted=False)  # the database was away, say, and every lease has ended

    beat.look()
    run = run_of(started)
    taking.renew([str(run.job_id)])
    lapse()
    beat.look()

    assert (run.status, run.is_doubted, messages(broker)) == ("started", True, [])
    assert 10 < (run.look_at - timezone.now()).total_seconds() <= 15
    assert statuses(started) == ["started"]


def test_a_run_of_a_schedule_that_was_disabled_is_not_started_again(started, beat, broker):
    PeriodicTask.objects.update(enabled=False)

    beat.look()

    assert (statuses(started), messages(broker)) == (["failed"], [])


def test_a_start_whose_worker_died_is_run_again(started, beat, broker):
    job = run_of(started).job_id

    beat.look()

    assert (len(messages(broker)), statuses(started)) == (1, ["published"])
    assert run_of(started).job_id != job  # its result is another one
    assert "its worker died" in run_of(started).reason


def test_not_so_if_the_policy_says_no(started, beat, broker):
    Policy.objects.create(schedule=started, runs_again=False)

    beat.look()

    assert (statuses(started), run_of(started).reason, messages(broker)) == (["failed"], "its worker died", [])


def test_what_kills_every_worker_is_not_run_for_ever(started, beat, broker):
    for _ in range(2):
        beat.look()
        taking.take(messages(broker)[0]["headers"]["id"])
        empty(broker)
        die(broker)

    beat.look()

    assert (statuses(started), messages(broker)) == (["failed"], [])
    assert run_of(started).reason == "its worker died, 3 times in all"
