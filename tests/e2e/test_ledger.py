"""Beats and workers as they run in production, killed: ticks are run once, and none is lost."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.broker import quiet_broker
from tests.e2e.service import Service, broker_url
from tests.waiting import eventually

BEATS = ["hanging-beat", "hanging-beat#2"]
WORKERS = ["hanging-worker", "hanging-worker#2"]


@pytest.fixture
def service(tmp_path):
    with quiet_broker(broker_url(number=5)), Service(tmp_path) as service:
        yield service


def sql(service, statement: str, *parameters: Any) -> list[dict[str, Any]]:
    with psycopg.connect(service.database_url, autocommit=True, row_factory=dict_row) as database:
        cursor = database.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def add_schedule(service, *, every: int, file: Path, one_off: bool = False, job: str = "tests.run_until") -> None:
    """A job that runs for as long as the file is not there."""
    sql(service, "UPDATE django_celery_beat_periodictask SET enabled = false")
    sql(
        service,
        """WITH i AS (INSERT INTO django_celery_beat_intervalschedule (every, period)
                      VALUES (%s, 'seconds') RETURNING id)
           INSERT INTO django_celery_beat_periodictask
                  (name, task, interval_id, args, kwargs, headers, one_off, enabled, total_run_count, date_changed,
                   description)
           SELECT 'mine', %s, id, jsonb_build_array(%s::text)::text, '{}', '{}', %s, true, 0, now(), ''
           FROM i""",
        every, job, str(file), one_off,
    )  # fmt: skip


def runs(service) -> list[dict[str, Any]]:
    return sql(service, "SELECT * FROM schedules_schedulerun ORDER BY scheduled_for")


def the_run(service, status: str, *, starts: int = 1) -> dict[str, Any]:
    """Wait until the only run there is has come so far."""

    def has_come() -> dict[str, Any] | None:
        found = runs(service)
        return found[0] if found and (found[0]["status"], found[0]["starts"]) == (status, starts) else None

    return eventually(has_come, within=70)


def test_with_two_beats_and_two_workers_each_tick_runs_once_whoever_is_killed(service, tmp_path):
    service.start(*BEATS, *WORKERS)
    add_schedule(service, every=1, file=tmp_path / "starts", job="tests.write_down")
    eventually(lambda: len(runs(service)) >= 2)

    for number in range(6):
        before = len(runs(service))
        service.stop(BEATS[number % 2], with_signal=signal.SIGKILL)
        service.start(BEATS[number % 2])
        eventually(lambda before=before: len(runs(service)) >= before + 2)
    for number in range(2):  # frozen for longer than anybody has a run to himself
        before = len(runs(service))
        service.processes[BEATS[number]].send_signal(signal.SIGSTOP)
        eventually(lambda before=before: len(runs(service)) >= before + 7)
        service.processes[BEATS[number]].send_signal(signal.SIGCONT)
    sql(service, "UPDATE django_celery_beat_periodictask SET enabled = false")
    eventually(lambda: all(run["look_at"] is None for run in runs(service)), within=40)

    fates = {(run["status"], run["reason"]) for run in runs(service)}
    assert {status for status, _ in fates} - {"finished", "merged"} <= {"skipped"}, fates
    # Of the last tick, whose message nobody had taken yet.
    assert {reason for status, reason in fates if status == "skipped"} <= {"the schedule was disabled"}
    ticks = [run["scheduled_for"] for run in runs(service)]
    finished = [run for run in runs(service) if run["status"] == "finished"]
    first = runs(service)[0]["since"] or ticks[0]
    assert sum(run["ticks"] for run in runs(service)) == (ticks[-1] - first).total_seconds() + 1
    assert sorted((tmp_path / "starts").read_text().split()) == sorted(str(run["job_id"]) for run in finished)


def test_a_job_whose_child_is_killed_runs_again_at_once(service, tmp_path):
    service.start("hanging-beat", "hanging-worker")
    add_schedule(service, every=1, file=tmp_path / "later", one_off=True)
    child = int(the_run(service, "started")["worker"].split(":")[1])

    os.kill(child, signal.SIGKILL)
    began = time.monotonic()
    again = the_run(service, "started", starts=2)
    (tmp_path / "later").touch()

    assert "its worker died" in again["reason"]
    assert time.monotonic() - began < 20
    the_run(service, "finished", starts=2)


def test_a_job_whose_worker_is_killed_runs_again_when_its_lease_is_over(service, tmp_path):
    service.start("hanging-beat", "hanging-worker")
    add_schedule(service, every=1, file=tmp_path / "later", one_off=True)
    the_run(service, "started")

    os.killpg(service.processes["hanging-worker"].pid, signal.SIGKILL)
    service.stop("hanging-worker")
    service.start("hanging-worker")
    the_run(service, "started", starts=2)
    (tmp_path / "later").touch()

    the_run(service, "finished", starts=2)


def test_a_worker_renews_the_lease_of_a_job_that_takes_long(service, tmp_path):
    service.start("hanging-beat", "hanging-worker")
    add_schedule(service, every=1, file=tmp_path / "later", one_off=True)
    first = the_run(service, "started")

    def is_renewed() -> bool:
        """And not looked at by a beat that takes its worker for dead."""
        run = the_run(service, "started")
        return run["look_at"] > first["look_at"] and not run["is_doubted"]

    eventually(is_renewed, within=30)
    (tmp_path / "later").touch()

    the_run(service, "finished")


def test_a_job_that_takes_too_long_has_failed_and_is_not_repeated(service, tmp_path):
    service.start("hanging-beat", "hanging-worker")
    add_schedule(service, every=1, file=tmp_path / "never", one_off=True, job="tests.run_too_long")

    run = the_run(service, "failed")

    assert run["reason"] == "its time limit was over"


def test_a_message_that_expires_in_the_queue_is_a_tick_that_was_missed(service, tmp_path):
    service.start("hanging-beat")
    add_schedule(service, every=1, file=tmp_path / "now", one_off=True)
    sql(service, "UPDATE django_celery_beat_periodictask SET expire_seconds = 2 WHERE name = 'mine'")
    the_run(service, "published", starts=0)

    service.stop("hanging-beat")  # which would give it up, too
    eventually(lambda: sql(service, "SELECT 1 FROM schedules_schedulerun WHERE scheduled_for < now() - interval '4 s'"))
    service.start("hanging-worker")

    assert the_run(service, "missed", starts=0)["reason"] == "its message expired before a worker took it"


def test_the_stock_scheduler_can_be_switched_on_and_off_again(service, tmp_path):
    (tmp_path / "now").touch()
    stock = "django_celery_beat.schedulers:DatabaseScheduler"
    service.start("hanging-worker", "hanging-beat", CELERY_BEAT_SCHEDULER=stock)
    add_schedule(service, every=2, file=tmp_path / "now")

    def count() -> int:
        return sql(service, "SELECT total_run_count FROM django_celery_beat_periodictask WHERE name = 'mine'")[0][
            "total_run_count"
        ]

    eventually(lambda: count() >= 2, within=30)
    service.stop("hanging-beat")
    before = count()
    service.start("hanging-beat")
    first = eventually(lambda: runs(service), within=30)[0]

    last = sql(service, "SELECT last_run_at FROM django_celery_beat_periodictask WHERE name = 'mine'")[0]["last_run_at"]
    assert count() > before
    assert first["scheduled_for"] < last
