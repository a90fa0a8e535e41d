"""When beat is told to tick."""

import uuid

import pytest
from django.contrib.auth.models import User

from reminders.canary import MAIL, every
from reminders.models import TaskChange
from reminders.planning import plan
from reminders.sweep import BELL
from reminders.wake import BEAT, is_tick_wanted, seconds_until_work
from tests.factories import in_hours, make_delivery, make_reminder, make_task
from work import bell
from work.models import Bell, Breaker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Nothing waits, and the canary has just been there."""
    plan()
    bell.answer(BELL)
    bell.answer(MAIL)


def test_without_work_the_next_tick_is_the_canarys():
    assert 0 < seconds_until_work() <= every().total_seconds()


def test_when_no_worker_has_ever_answered_the_canary_goes_out_now():
    Bell.objects.all().delete()

    assert -1 < seconds_until_work() <= 0


def test_a_mail_server_that_was_not_heard_of_for_long_is_work_now():
    Bell.objects.filter(name=MAIL).update(answered_at=in_hours(-1))

    assert seconds_until_work() <= 0


def test_a_mail_server_that_is_being_visited_is_work_when_the_ring_must_be_taken_for_lost():
    Bell.objects.filter(name=MAIL).update(answered_at=in_hours(-1), rung_at=in_hours(0))

    assert 8 < seconds_until_work() <= 10


def test_a_parked_mail_server_is_visited_when_the_breaker_probes():
    Bell.objects.filter(name=MAIL).update(answered_at=in_hours(-1))
    Breaker.objects.create(name="email", open_until=in_hours(20 / 3600))

    assert 18 < seconds_until_work() <= 20


def test_answers_from_the_future_of_a_clock_that_was_set_back_do_not_silence_the_canary():
    Bell.objects.update(answered_at=in_hours(1))

    assert seconds_until_work() <= 0


def test_a_saved_task_is_work_at_once(alice):
    make_task(alice)

    assert seconds_until_work() <= 0


def test_somebody_who_can_be_reached_again_is_work_at_once(alice):
    User.objects.update(is_active=False)
    assert seconds_until_work() > 0

    User.objects.update(is_active=True)

    assert seconds_until_work() <= 0


def test_a_planned_reminder_is_work_at_its_moment(alice):
    make_reminder(make_task(alice), remind_at=in_hours(10 / 3600))
    TaskChange.objects.all().delete()

    assert 8 < seconds_until_work() <= 10


def test_a_deferred_delivery_is_work_at_its_moment(alice):
    make_delivery(make_task(alice), not_before=in_hours(10 / 3600))
    TaskChange.objects.all().delete()

    assert 8 < seconds_until_work() <= 10


def test_a_parked_delivery_is_work_when_the_breaker_probes(alice):
    make_delivery(make_task(alice))
    Breaker.objects.create(name="email", open_until=in_hours(10 / 3600))
    TaskChange.objects.all().delete()

    assert 8 < seconds_until_work() <= 10


def test_a_lease_is_work_when_it_ends(alice):
    make_delivery(make_task(alice), status="leased", lease_token=uuid.uuid4(), lease_until=in_hours(10 / 3600))
    TaskChange.objects.all().delete()

    assert 8 < seconds_until_work() <= 10


def test_of_any_number_that_ask_one_is_told_to_tick_until_a_worker_has_answered(alice):
    make_task(alice)

    told = [is_tick_wanted() for _ in range(3)]
    bell.answer(BELL)
    after = is_tick_wanted()

    assert told == [True, False, False]
    assert after is True


def test_where_the_queue_is_full_already_nobody_is_told_to_tick(alice, broker):
    make_task(alice)
    broker.rpush("celery", *["a message"] * bell.MOST_WAITING)

    assert is_tick_wanted() is False


def test_a_ring_that_nobody_answers_is_repeated(alice):
    make_task(alice)
    is_tick_wanted()

    Bell.objects.filter(name=BELL).update(rung_at=in_hours(-1), answered_at=in_hours(-2))

    assert is_tick_wanted() is True


def test_asking_shows_that_beat_is_alive(monkeypatch):
    monkeypatch.setattr("reminders.wake._last_pulse", float("-inf"))

    is_tick_wanted()

    assert Bell.objects.get(name=BEAT).answered_at is not None


def test_the_question_is_answered_from_partial_indexes_alone(alice, django_assert_num_queries):
    with django_assert_num_queries(1):
        seconds_until_work()
