"""Runs on request: each a row of the ledger, and a key makes a repeat the same one."""

import pytest
from django.db import connection
from django_celery_beat.models import PeriodicTask

from schedules.models import RunKind, RunStatus, ScheduleRun
from schedules.services import request_run
from tests.at_once import at_once
from tests.factories import make_user


@pytest.fixture
def schedule(committed_db) -> PeriodicTask:
    return PeriodicTask.objects.get(name="prune-results")


def test_each_schedule_gets_a_run_that_is_due_at_once(schedule):
    other = PeriodicTask.objects.get(name="prune-reminders")
    staff = make_user("staff")

    runs = request_run([schedule, other], by=staff)

    assert {run.schedule for run in runs} == {schedule, other}
    for run in ScheduleRun.objects.all():
        assert (run.kind, run.status, run.requested_by) == (RunKind.REQUEST, RunStatus.DUE, staff)
        assert run.look_at is not None
        assert run.published_at is None
    assert len({run.job_id for run in runs}) == 2


def test_without_a_key_every_request_is_a_run_of_its_own(schedule):
    staff = make_user("staff")

    runs = [*request_run([schedule], by=staff), *request_run([schedule], by=staff)]

    assert len({run.pk for run in runs}) == 2


def test_with_the_same_key_a_repeat_is_the_same_run(schedule):
    staff = make_user("staff")
    (first,) = request_run([schedule], by=staff, key="a")
    (other,) = request_run([PeriodicTask.objects.get(name="prune-reminders")], by=staff, key="a")

    (again,) = request_run([schedule], by=make_user("another"), key="a")

    assert again == first != other
    assert again.requested_by == staff


def test_many_at_once_are_as_many_runs(schedule):
    staff = make_user("staff")

    runs = at_once(lambda: request_run([schedule], by=staff), times=8)

    assert len({run.pk for (run,) in runs}) == ScheduleRun.objects.count() == 8


def test_many_at_once_with_one_key_are_one_run(schedule):
    staff = make_user("staff")

    runs = at_once(lambda: request_run([schedule], by=staff, key="a"), times=8)

    assert len({run.pk for (run,) in runs}) == ScheduleRun.objects.count() == 1


def test_two_of_the_same_microsecond_are_two_runs(schedule):
    staff = make_user("staff")
    with connection.cursor() as cursor:  # a clock that stands still for a while
        cursor.execute("CREATE TABLE looks (at timestamptz)")
        cursor.execute("""
            CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
            $$ INSERT INTO public.looks VALUES (pg_catalog.clock_timestamp());
               SELECT date_trunc('hour', now()) + (SELECT count(*) FROM public.looks) / 6 * interval '1 second' $$
        """)
        cursor.execute("SET search_path = public, pg_catalog")
    try:
        runs = [request_run([schedule], by=staff) for _ in range(4)]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET search_path")
            cursor.execute("DROP FUNCTION public.clock_timestamp(); DROP TABLE looks")

    assert len({run.pk for (run,) in runs}) == 4
