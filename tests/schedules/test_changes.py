"""An edit is noted before it is looked at: the state is looked at no later than the next moment can be."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask

from schedules import changes, ledger
from schedules.models import ScheduleChange, ScheduleState
from schedules.runs import PUBLISH_LEASE
from tests.at_once import another_connection, at_once
from tests.schedules.beats import make_schedule

FAR_OFF = 300_000_000
"""Seconds, so that the old interval's next moment is not the earlier one."""

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture(autouse=True)
def _no_others(committed_db) -> None:
    PeriodicTask.objects.all().delete()
    ScheduleChange.objects.all().delete()


def known(**fields) -> PeriodicTask:
    schedule = make_schedule(**fields)
    changes.note()
    ledger.take_edited(lease=PUBLISH_LEASE)
    return schedule


def state() -> ScheduleState:
    return ScheduleState.objects.get()


def noted_and_reckoned() -> tuple[datetime, datetime]:
    """When the state is to be looked at after noting alone, and its next moment."""
    assert not changes.note()
    look_at = state().look_at
    ledger.take_edited(lease=PUBLISH_LEASE)
    return look_at, state().next_at


def interval(every: int, period: str) -> dict:
    return {"interval": IntervalSchedule.objects.create(every=every, period=period), "crontab": None, "clocked": None}


@pytest.mark.parametrize(
    ("every", "period"), [(7, "days"), (3, "hours"), (90, "seconds"), (17_000_000, "microseconds")]
)
@pytest.mark.parametrize("start", [None, timedelta(days=-400, microseconds=7), timedelta(hours=5)])
def test_an_interval_is_looked_at_just_before_its_next_moment(every, period, start):
    known(every=FAR_OFF)
    start_time = start and timezone.now() + start

    PeriodicTask.objects.update(**interval(every, period), start_time=start_time)
    look_at, next_at = noted_and_reckoned()

    assert timedelta() <= next_at - look_at <= timedelta(milliseconds=2)


def test_a_schedule_that_is_new_is_looked_at_when_it_is_due_first():
    make_schedule(every=600)

    look_at, next_at = noted_and_reckoned()

    assert timedelta() <= next_at - look_at <= timedelta(milliseconds=2)


def test_one_that_the_stock_scheduler_has_run_goes_on_from_there():
    make_schedule(every=3600)
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(minutes=10), total_run_count=3)

    look_at, next_at = noted_and_reckoned()

    assert timedelta() <= next_at - look_at <= timedelta(milliseconds=2)


def test_a_crontab_is_looked_at_with_the_next_minute():
    known(every=FAR_OFF)

    crontab = CrontabSchedule.objects.create(minute="*", timezone="UTC")
    PeriodicTask.objects.update(interval=None, crontab=crontab)
    look_at, next_at = noted_and_reckoned()

    assert look_at == next_at


def test_a_crontab_that_the_stock_scheduler_has_run_does_not_stand_before_what_is_due():
    make_schedule(hour="9")
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(days=3))

    changes.note()

    assert timezone.now() < state().look_at <= timezone.now() + timedelta(minutes=1)


def test_a_clocked_schedule_is_looked_at_at_its_moment():
    known(every=FAR_OFF)

    clocked = ClockedSchedule.objects.create(clocked_time=timezone.now() + timedelta(days=3))
    PeriodicTask.objects.update(interval=None, clocked=clocked, one_off=True)
    look_at, next_at = noted_and_reckoned()

    assert look_at == next_at == clocked.clocked_time


@pytest.mark.parametrize(("every", "period"), [(0, "seconds"), (5, "fortnights"), (2**31 - 1, "days")])
def test_what_is_not_understood_is_looked_at_now(every, period):
    known(every=3600)

    PeriodicTask.objects.update(**interval(every, period))
    changes.note()

    assert state().look_at <= timezone.now()


def test_an_edit_of_something_else_leaves_the_next_look_where_it_was():
    known(every=3600)
    before = state().next_at

    PeriodicTask.objects.update(priority=3)
    look_at, next_at = noted_and_reckoned()

    assert next_at == before
    assert timedelta() <= before - look_at <= timedelta(milliseconds=2)


def test_the_first_of_several_edits_counts():
    known(every=3600)
    PeriodicTask.objects.update(priority=3)
    changes.note()
    first = state().changed_at

    PeriodicTask.objects.update(priority=4)
    changes.note()

    assert state().changed_at == first


def test_a_tick_that_is_due_meanwhile_is_reckoned_from_the_edit_on():
    known(every=3600)
    PeriodicTask.objects.update(**interval(1, "seconds"))
    changes.note()
    ScheduleState.objects.update(changed_at=timezone.now() - timedelta(seconds=10), look_at=timezone.now())

    ledger.take_due(lease=PUBLISH_LEASE)

    assert state().changed_at is None
    assert 9 <= state().schedule.runs.get().ticks <= 10


def test_the_newest_edit_is_looked_at_first():
    schedules = [make_schedule(str(number), every=3600) for number in range(3)]
    changes.note()

    ledger.take_edited(limit=1, lease=PUBLISH_LEASE)

    (looked_at,) = ScheduleState.objects.filter(changed_at=None)
    assert looked_at.schedule == schedules[-1]


def test_an_edit_that_is_noted_while_beat_looks_is_not_taken_for_done():
    schedule = known(every=3600)
    PeriodicTask.objects.update(priority=3)
    changes.note()

    with another_connection() as elsewhere:  # which holds the state, as another beat's look does
        elsewhere.execute("SELECT FROM schedules_schedulestate FOR NO KEY UPDATE")
        assert ledger.take_edited(lease=PUBLISH_LEASE) == (0, [])

    assert state().changed_at is not None
    assert schedule.pk == state().pk


def test_many_beats_note_and_look_at_once():
    for number in range(40):
        make_schedule(str(number), every=3600)

    def look() -> None:
        changes.note(limit=7)
        ledger.take_edited(limit=7, lease=PUBLISH_LEASE)

    for _ in range(3):
        at_once(look, times=5)
    while ScheduleChange.objects.exists() or ScheduleState.objects.exclude(changed_at=None).exists():
        look()

    assert ScheduleState.objects.filter(next_at__isnull=False).count() == 40


def test_a_schedule_that_is_being_deleted_holds_up_no_edit():
    make_schedule("doomed", every=3600)
    other = make_schedule("other", every=3600)

    with another_connection() as editor:
        editor.execute("DELETE FROM django_celery_beat_periodictask WHERE name = 'doomed'")
        changes.note()

    assert state().schedule == other
