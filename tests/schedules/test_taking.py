"""A worker takes a run when its job starts, and settles it when that ends."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from celery.exceptions import Ignore
from django.db import connection

from config.celery import app
from schedules import taking
from schedules.jobs import RUN, Job, OncePerTick, TakenBefore
from schedules.models import ScheduleRun
from tests.at_once import at_once
from tests.schedules.beats import fall_due, make_schedule, statuses

DONE: list[str] = []


def note(text: str) -> None:
    DONE.append(text)
    if text == "breaks":
        raise ValueError("it breaks")
    if text == "keeps no result":
        raise Ignore


@pytest.fixture(autouse=True)
def _jobs() -> Iterator[None]:
    DONE.clear()
    app.task(note, name="tests.note", shared=False, lazy=False)
    app.task(note, name="tests.note_once", base=OncePerTick, shared=False, lazy=False)
    yield
    del app.tasks["tests.note"], app.tasks["tests.note_once"]


@pytest.fixture
def run(beat, broker) -> ScheduleRun:
    """A run whose message is out."""
    schedule = make_schedule(every=3600)
    beat.look()
    fall_due(schedule)
    beat.look()
    return ScheduleRun.objects.get()


def start(run: ScheduleRun, text: str = "done", job: str = "tests.note") -> Any:
    """What a worker does with the message."""
    return app.tasks[job].apply([text], task_id=str(run.job_id), headers={RUN: run.pk}, throw=False)


def test_every_job_of_the_app_looks_at_the_ledger():
    assert all(isinstance(job, Job) for name, job in app.tasks.items() if not name.startswith("celery."))


def test_a_run_is_started_and_finished(run):
    start(run)

    run.refresh_from_db()
    assert (DONE, run.status, run.starts, run.look_at) == (["done"], "finished", 1, None)
    assert run.published_at <= run.started_at <= run.finished_at
    assert run.worker


def test_a_job_that_breaks_says_why(run):
    start(run, "breaks")

    run.refresh_from_db()
    assert (run.status, run.reason) == ("failed", "ValueError: it breaks")


def test_a_job_that_keeps_no_result_is_finished(run):
    start(run, "keeps no result")

    run.refresh_from_db()
    assert run.status == "finished"


@pytest.mark.parametrize("job", ["tests.note", "tests.note_once"])
def test_a_second_message_about_a_run_starts_nothing(run, job):
    start(run, job=job)
    start(run, job=job)

    run.refresh_from_db()
    assert (DONE, run.starts, run.status) == (["done"], 1, "finished")


def test_nor_while_the_first_is_still_at_it(run):
    taking.take(str(run.job_id))

    start(run)

    run.refresh_from_db()
    assert (DONE, run.status) == ([], "started")


def test_of_many_who_take_a_run_one_has_it(run):
    taken = at_once(lambda: taking.take(str(run.job_id)), times=8)

    assert sorted(isinstance(one, TakenBefore) for one in taken) == [False] + [True] * 7


def test_a_run_that_was_given_up_is_not_started(run):
    ScheduleRun.objects.update(status="missed", look_at=None)

    start(run)

    assert DONE == []


@pytest.mark.parametrize("is_carried_out", [True, False], ids=["answer lost", "never heard"])
def test_a_job_that_has_ended_is_finished_though_the_database_goes_at_that_moment(wire, run, is_carried_out):
    wire.break_at("finished_at = CASE", is_carried_out=is_carried_out)

    start(run)

    run.refresh_from_db()
    assert (DONE, run.status, run.starts) == (["done"], "finished", 1)


def test_a_start_that_was_taken_for_dead_does_not_settle_the_next(run):
    first = taking.take(str(run.job_id))
    ScheduleRun.objects.update(status="due")
    taking.take(str(run.job_id))

    assert not taking.settle(str(run.job_id), "finished", start=first)
    assert statuses(run.schedule) == ["started"]


def test_the_same_worker_may_take_a_run_again_when_it_was_put_back(run):
    taking.take(str(run.job_id))
    ScheduleRun.objects.update(status="due")

    start(run)

    run.refresh_from_db()
    assert (DONE, run.starts, run.status) == (["done"], 2, "finished")


def test_what_may_start_once_does_not_start_a_second_time_even_then(run):
    taking.take(str(run.job_id))
    ScheduleRun.objects.update(status="due")

    start(run, job="tests.note_once")

    assert DONE == []


@pytest.fixture
def mute_ledger(run) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE schedules_schedulerun RENAME TO elsewhere")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE elsewhere RENAME TO schedules_schedulerun")


@pytest.mark.usefixtures("mute_ledger")
@pytest.mark.parametrize(("job", "done"), [("tests.note", ["done"]), ("tests.note_once", [])])
def test_when_the_ledger_cannot_be_asked_a_job_runs_unless_it_must_not_twice(run, job, done):
    start(run, job=job)

    assert done == DONE


@pytest.mark.parametrize("job", ["tests.note", "tests.note_once"])
def test_a_job_that_is_no_run_of_a_schedule_needs_no_ledger(db, django_assert_num_queries, job):
    with django_assert_num_queries(0):
        app.tasks[job].apply(["done"])

    assert DONE == ["done"]


def test_a_run_that_the_ledger_has_forgotten_is_started(run):
    job = str(run.job_id)
    ScheduleRun.objects.all().delete()

    app.tasks["tests.note"].apply(["done"], task_id=job, headers={RUN: run.pk})

    assert DONE == ["done"]


def test_the_lease_of_a_job_that_runs_is_renewed(run):
    taking.take(str(run.job_id))
    ScheduleRun.objects.update(look_at="2020-01-01T00:00Z")

    taking.renew([str(run.job_id), str(uuid4())])

    run.refresh_from_db()
    assert run.look_at > run.started_at + taking.LEASE / 2


def test_a_run_whose_child_was_killed_is_looked_at_at_once(run):
    taking.take(str(run.job_id))

    signals.task_failure.send(None, task_id=str(run.job_id), exception=WorkerLostError("killed"))

    run.refresh_from_db()
    assert (run.status, run.is_doubted, run.look_at < run.started_at + taking.LEASE / 2) == ("started", True, True)


def test_a_run_that_took_too_long_has_failed(run):
    taking.take(str(run.job_id))

    signals.task_failure.send(None, task_id=str(run.job_id), exception=TimeLimitExceeded(3))

    run.refresh_from_db()
    assert (run.status, run.reason) == ("failed", "its time limit was over")


def test_a_run_whose_message_expired_was_missed(run):
    class Request:
        id = str(run.job_id)
        headers = {RUN: run.pk}

    signals.task_revoked.send(None, request=Request(), terminated=False, signum=None, expired=True)

    run.refresh_from_db()
    assert (run.status, run.reason) == ("missed", "its message expired before a worker took it")
