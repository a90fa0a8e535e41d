"""Ticks become runs: once, whoever looks, and as schedules are at that moment."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, IntervalSchedule, PeriodicTask

from schedules import ledger
from schedules.models import Policy, ScheduleChange, ScheduleRun, ScheduleState
from schedules.runs import PUBLISH_LEASE
from tests.at_once import another_connection, at_once
from tests.schedules.beats import Beat, fall_due, make_schedule, messages, statuses


def state_of(schedule) -> ScheduleState:
    return ScheduleState.objects.get(schedule=schedule)


def test_a_tick_is_a_run_and_then_a_message_about_it(beat, broker):
    schedule = make_schedule(every=3600, headers='{"x": "y"}')
    beat.look()
    fall_due(schedule)

    beat.look()

    (message,) = messages(broker)
    run = ScheduleRun.objects.get()
    assert (run.status, run.publishes) == ("published", 1)
    assert message["headers"]["id"] == str(run.job_id)
    assert (message["headers"]["task"], message["headers"]["periodic_task_name"]) == (schedule.task, "mine")
    assert (message["headers"]["x"], message["headers"]["schedule_run"]) == ("y", run.pk)


def test_of_ten_beats_that_look_at_once_one_makes_the_run(beat, broker):
    schedules = [make_schedule(str(number), every=3600) for number in range(20)]
    beat.look()
    fall_due(*schedules)

    def look() -> None:
        with Beat() as another:
            another.look()

    at_once(look, times=10)

    assert len(messages(broker)) == ScheduleRun.objects.count() == 20


def test_a_moment_makes_one_run_whatever_the_state_says(beat, broker):
    schedule = make_schedule(every=3600)
    beat.look()
    fall_due(schedule)
    before = ScheduleState.objects.values().get()
    beat.look()
    ScheduleRun.objects.update(status="finished", started_at=timezone.now(), look_at=None)

    ScheduleState.objects.update(**before)  # as from a backup of these two tables
    PeriodicTask.objects.update(last_run_at=None, total_run_count=0)
    beat.look()

    assert len(messages(broker)) == ScheduleRun.objects.count() == 1


def test_the_admins_columns_follow_the_ledger(beat, broker):
    schedule = make_schedule(every=3600)
    beat.look()
    fall_due(schedule)

    beat.look()

    schedule.refresh_from_db()
    assert schedule.total_run_count == 1
    assert timezone.now() - schedule.last_run_at < timedelta(seconds=5)


# Edits


def every_minute() -> IntervalSchedule:
    return IntervalSchedule.objects.create(every=1, period="minutes")


def save(schedule):
    schedule.interval = every_minute()
    schedule.save()


def update(schedule):
    PeriodicTask.objects.filter(pk=schedule.pk).update(interval=every_minute())


def edit_the_interval(schedule):
    IntervalSchedule.objects.filter(pk=schedule.interval_id).update(every=1, period="minutes")


def raw_sql(schedule):
    with another_connection() as elsewhere:
        elsewhere.execute("UPDATE django_celery_beat_intervalschedule SET every = 60")


@pytest.mark.parametrize("edit", [save, update, edit_the_interval, raw_sql])
def test_an_edit_takes_effect_at_the_next_look(beat, edit):
    schedule = make_schedule(every=3600)
    beat.look()

    edit(schedule)
    beat.look()

    assert state_of(schedule).next_at - timezone.now() <= timedelta(minutes=1)
    assert not ScheduleChange.objects.exists()


def test_a_schedule_that_is_made_in_bulk_is_seen(beat):
    PeriodicTask.objects.bulk_create([PeriodicTask(name="bulk", task="schedules.prune_runs", interval=every_minute())])

    beat.look()

    assert state_of(PeriodicTask.objects.get()).next_at is not None


def test_what_was_disabled_does_not_run_even_before_the_edit_is_looked_at(beat, broker):
    schedule = make_schedule(every=3600)
    beat.look()
    fall_due(schedule)
    PeriodicTask.objects.update(enabled=False)

    ledger.take_due(lease=PUBLISH_LEASE)  # without the changes

    assert not ScheduleRun.objects.exists()


def test_an_edit_that_no_trigger_has_seen_is_found_all_the_same(beat):
    schedule = make_schedule(every=3600)
    beat.look()
    with another_connection() as elsewhere:  # as when rows are restored or replicated
        elsewhere.execute("ALTER TABLE django_celery_beat_intervalschedule DISABLE TRIGGER USER")
        elsewhere.execute("UPDATE django_celery_beat_intervalschedule SET every = 60")
        elsewhere.execute("ALTER TABLE django_celery_beat_intervalschedule ENABLE TRIGGER USER")

    beat.look()
    beat.look()

    assert state_of(schedule).next_at - timezone.now() <= timedelta(minutes=1)


def test_an_editor_who_does_not_commit_stops_no_tick(beat, broker):
    schedule = make_schedule(every=3600)
    beat.look()
    fall_due(schedule)

    with another_connection() as editor:
        editor.execute("UPDATE django_celery_beat_periodictask SET description = 'hm'")
        beat.look()
        sent = len(messages(broker))

    assert sent == 1


def test_a_schedule_that_is_being_deleted_stops_no_other(beat, broker):
    doomed, other = make_schedule("doomed", every=3600), make_schedule("other", every=3600)
    beat.look()
    fall_due(doomed, other)

    with another_connection() as editor:
        editor.execute("DELETE FROM django_celery_beat_periodictask WHERE name = 'doomed'")
        beat.look()

    assert [message["headers"]["periodic_task_name"] for message in messages(broker)] == ["other"]
    beat.look()
    assert not ScheduleRun.objects.exclude(schedule=other).exists()


def test_an_old_copy_that_is_saved_turns_nothing_back(beat, broker):
    schedule = make_schedule(every=3600)
    beat.look()
    old = PeriodicTask.objects.get()
    fall_due(schedule)
    beat.look()

    old.description = "an edit"
    old.save()
    beat.look()

    saved = PeriodicTask.objects.get()
    assert (saved.description, saved.total_run_count) == ("an edit", 1)
    assert saved.last_run_at is not None
    assert statuses(schedule) == ["published"]


def test_a_one_off_that_has_fired_is_not_armed_again_by_an_old_copy(beat, broker):
    clocked = ClockedSchedule.objects.create(clocked_time=timezone.now())
    schedule = make_schedule(clocked=clocked, one_off=True)
    old = PeriodicTask.objects.get()
    beat.look()
    assert not PeriodicTask.objects.get().enabled

    old.save()
    for _ in range(3):
        beat.look()

    assert statuses(schedule) == ["published"]
    assert not PeriodicTask.objects.get().enabled


def test_a_one_off_with_a_new_time_runs_again(beat, broker):
    clocked = ClockedSchedule.objects.create(clocked_time=timezone.now())
    schedule = make_schedule(clocked=clocked, one_off=True)
    beat.look()

    ClockedSchedule.objects.update(clocked_time=timezone.now())
    PeriodicTask.objects.update(enabled=True)
    beat.look()

    assert ScheduleRun.objects.filter(schedule=schedule).count() == 2


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE django_celery_beat_crontabschedule SET minute = '99'",
        "UPDATE django_celery_beat_crontabschedule SET timezone = 'Mars/Phobos'",
        "UPDATE django_celery_beat_periodictask SET args = 'nonsense' WHERE name = 'broken'",
        "UPDATE django_celery_beat_periodictask SET headers = '[]' WHERE name = 'broken'",
        "UPDATE django_celery_beat_periodictask SET task = 'nobody.knows' WHERE name = 'broken'",
        "UPDATE django_celery_beat_periodictask SET crontab_id = NULL WHERE name = 'broken'",
        "UPDATE django_celery_beat_periodictask SET args = repeat('[', 9000) WHERE name = 'broken'",
        """UPDATE django_celery_beat_periodictask SET headers = '{"id": 1}' WHERE name = 'broken'""",
    ],
)
def test_a_row_that_cannot_run_says_why_and_stops_no_other(beat, broker, sql):
    broken, other = make_schedule("broken"), make_schedule("other", every=3600)
    beat.look()
    with connection.cursor() as cursor:
        cursor.execute(sql)
    fall_due(other)

    beat.look()

    assert (state_of(broken).problem != "", state_of(broken).look_at) == (True, None)
    assert statuses(other) == ["published"]


@pytest.mark.parametrize(
    "sql",
    [
        f"UPDATE django_celery_beat_periodictask SET {column} = '{moment}' WHERE name = 'odd'"
        for column in ("start_time", "expires", "last_run_at")
        for moment in ("infinity", "-infinity", "0001-01-01 BC", "200000-01-01")
    ]
    + ["""INSERT INTO schedules_policy (schedule_id, "window", catch_up, paused_until, skip_at)
          SELECT id, '290000 years', 'all', '-infinity', 'infinity'
          FROM django_celery_beat_periodictask WHERE name = 'odd'"""],
)  # fmt: skip
def test_a_time_beyond_every_calendar_stops_no_other_schedule(beat, broker, sql):
    odd, other = make_schedule("odd", every=3600), make_schedule("other", every=3600)
    beat.look()
    with connection.cursor() as cursor:
        cursor.execute(sql)
    fall_due(odd, other)

    beat.look()

    assert statuses(other) == ["published"]
    assert state_of(odd).problem == ""


def test_a_job_that_comes_with_a_new_version_is_seen_at_the_start(beat):
    make_schedule(task="schedules.to_come")
    beat.look()
    assert "schedules.to_come" in state_of(PeriodicTask.objects.get()).problem

    ScheduleState.objects.update(problem="as if it had been unknown")
    PeriodicTask.objects.update(task="schedules.prune_runs")
    ScheduleChange.objects.all().delete()
    with Beat() as newer:
        newer.look()

    assert state_of(PeriodicTask.objects.get()).problem == ""


def test_an_installation_of_the_stock_scheduler_keeps_its_runs(beat, broker):
    last = timezone.now() - timedelta(minutes=10)
    schedule = make_schedule(every=3600)
    PeriodicTask.objects.update(last_run_at=last, total_run_count=41)

    beat.look()

    schedule.refresh_from_db()
    assert (schedule.last_run_at, schedule.total_run_count) == (last, 41)
    assert state_of(schedule).next_at == last + timedelta(hours=1)


def test_an_hour_without_workers_is_one_message(beat, broker):
    schedule = make_schedule(every=5)
    beat.look()

    for ago in range(10, 0, -1):
        ScheduleState.objects.update(look_at=timezone.now())
        fall_due(schedule, ago=ago / 10)
        beat.look()

    assert len(messages(broker)) == 1
    assert statuses(schedule) == ["published"] + ["merged"] * 9


def test_deleting_a_schedule_takes_its_rows_along(beat, broker):
    schedule = make_schedule(every=3600)
    Policy.objects.create(schedule=schedule)
    beat.look()
    fall_due(schedule)
    beat.look()

    schedule.delete()

    assert not any(model.objects.exists() for model in (Policy, ScheduleState, ScheduleRun))
    beat.look()


def test_a_tick_that_is_left_out_is_a_run_that_says_so(beat, broker):
    schedule = make_schedule(every=3600)
    beat.look()
    fall_due(schedule)
    Policy.objects.create(schedule=schedule, skip_at=state_of(schedule).next_at)

    beat.look()

    run = ScheduleRun.objects.get()
    assert (run.status, run.reason, messages(broker)) == ("skipped", "left out on request", [])
    assert PeriodicTask.objects.get().total_run_count == 0
