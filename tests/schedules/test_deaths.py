"""A beat that dies at any line, and another that goes on: each tick is one run and one message."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from celery import signals
from django.db import connection
from django_celery_beat.models import PeriodicTask

from schedules import services
from schedules.models import ScheduleRun, ScheduleState
from tests.factories import make_user
from tests.schedules.beats import Beat, fall_due, lapse, make_schedule, messages


class Died(BaseException):
    """No Exception, so that nothing catches it, as nothing catches kill -9."""


@contextmanager
def dying_at(place: int) -> Iterator[list[str]]:
    """Let the beat die at the place of that number: before or after a statement, or a message. Yields the places."""
    passed: list[str] = []

    def come_to(what: str) -> None:
        passed.append(what)
        if len(passed) >= place:  # what a `finally` would still do is not done, either
            raise Died(what)

    def execute(run: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        come_to(f"before {' '.join(sql.split())[:60]}")
        result = run(sql, *arguments)
        come_to(f"after {' '.join(sql.split())[:60]}")
        return result

    def publishing(**_: Any) -> None:
        come_to("before the message")

    def published(**_: Any) -> None:
        come_to("after the message")

    signals.before_task_publish.connect(publishing)
    signals.after_task_publish.connect(published)
    try:
        with connection.execute_wrapper(execute):
            yield passed
    finally:
        signals.before_task_publish.disconnect(publishing)
        signals.after_task_publish.disconnect(published)


def die_at(place: int) -> list[str]:
    """A look that ends there; what it passed on its way."""
    with Beat() as mortal, dying_at(place) as passed, suppress(Died):
        mortal.look()
    return passed


def places(prepare: Callable[[], None], check: Callable[[str], None]) -> list[str]:
    """Have a beat die at each place in turn, and another one look afterwards; return the places."""
    found: list[str] = []
    while True:
        prepare()
        passed = die_at(len(found) + 1)
        if len(passed) <= len(found):
            return found
        found.append(passed[len(found)])
        for _ in range(2):
            lapse()
            with Beat() as survivor:
                survivor.look()
        check(found[-1])


@pytest.fixture
def schedules(beat):
    made = [make_schedule(str(number), every=3600) for number in range(2)]
    beat.look()
    return made


def test_wherever_a_beat_dies_each_tick_is_one_run_and_one_message(schedules, broker):
    def prepare() -> None:
        ScheduleRun.objects.all().delete()
        broker.delete("celery")
        fall_due(*schedules)

    def check(place: str) -> None:
        jobs = sorted(message["headers"]["id"] for message in messages(broker))
        runs = list(ScheduleRun.objects.all())
        assert (len(jobs), sorted(str(run.job_id) for run in runs)) == (2, jobs), place
        assert {run.status for run in runs} == {"published"}, place
        assert not ScheduleState.objects.filter(next_at__isnull=True).exists(), place

    found = places(prepare, check)

    assert sum("INSERT INTO schedules_schedulerun" in place for place in found) == 2
    assert found.count("after the message") == 2


def test_wherever_it_dies_an_edit_is_not_forgotten(schedules):
    schedule = schedules[0]

    def prepare() -> None:
        schedule.interval.every += 1
        schedule.interval.save()

    def check(place: str) -> None:
        state = ScheduleState.objects.get(schedule=schedule)
        assert f",{schedule.interval.every}," in state.timing, place

    found = places(prepare, check)

    assert any("DELETE FROM schedules_schedulechange" in place or "WITH batch" in place for place in found)


def test_wherever_it_dies_a_run_that_was_asked_for_goes_out_once(schedules, broker):
    staff = make_user("staff")

    def prepare() -> None:
        ScheduleRun.objects.all().delete()
        broker.delete("celery")
        services.request_run([schedules[0]], by=staff)

    def check(place: str) -> None:
        (job,) = [message["headers"]["id"] for message in messages(broker)]
        assert str(ScheduleRun.objects.get().job_id) == job, place

    found = places(prepare, check)

    assert found.count("after the message") == 1


@pytest.mark.parametrize("is_carried_out", [True, False], ids=["answer lost", "never heard"])
def test_whichever_request_a_beat_loses_each_tick_is_one_run_and_one_message(wire, broker, is_carried_out):
    """The beat lives on, and looks again."""
    PeriodicTask.objects.all().delete()  # whose ticks may come meanwhile
    schedules = [make_schedule(str(number), every=3600) for number in range(2)]
    with Beat() as beat:
        beat.look()
        number, has_broken = 0, True
        while has_broken:
            number += 1
            ScheduleRun.objects.all().delete()
            broker.delete("celery")
            fall_due(*schedules)
            wire.break_after(number, is_carried_out=is_carried_out)
            beat.look()
            has_broken = wire.has_broken
            wire.mend()
            connection.close()

            for _ in range(3):
                lapse()
                beat.look()

            jobs = sorted(message["headers"]["id"] for message in messages(broker))
            runs = list(ScheduleRun.objects.all())
            assert (len(jobs), sorted(str(run.job_id) for run in runs)) == (2, jobs), f"after {number} requests"
            assert {run.status for run in runs} == {"published"}, f"after {number} requests"
    assert number > 5
