"""Beat tells of what fails again and again when it begins, once a minute, and when it is over."""

import logging

import pytest
from django.db import connection
from django_celery_beat.models import PeriodicTask

from schedules import troubles
from schedules.troubles import OVER_SECONDS, SAY_AGAIN_SECONDS, Troubles
from tests.schedules.beats import Beat

LOOKS_A_MINUTE = 120


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(troubles, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch)


def messages(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_it_is_told_when_it_begins_once_a_minute_and_when_it_is_over(caplog, clock):
    told = Troubles(logging.getLogger("schedules"))

    for _ in range(LOOKS_A_MINUTE * 2):
        told.failed("looking", "A part failed", "disk full")
        clock.now += 0.5
    clock.now += OVER_SECONDS
    told.worked("looking")
    told.worked("looking")

    assert messages(caplog) == [
        "A part failed: looking: disk full",
        "A part failed, 121 times in 60 s: looking: disk full",
        "This works again, after 240 failures in 120 s: looking",
    ]


def test_what_fails_every_other_time_is_one_trouble(caplog, clock):
    told = Troubles(logging.getLogger("schedules"))

    for _ in range(LOOKS_A_MINUTE):
        told.failed("looking", "A part failed", "disk full")
        told.worked("looking")
        clock.now += SAY_AGAIN_SECONDS / LOOKS_A_MINUTE

    assert len(messages(caplog)) == 1


def test_each_part_has_a_trouble_of_its_own(caplog, clock):
    told = Troubles(logging.getLogger("schedules"))

    for name in ("looking", "waking", "looking", "waking"):
        told.failed(name, "A part failed", "disk full")

    assert messages(caplog) == ["A part failed: looking: disk full", "A part failed: waking: disk full"]


def test_a_database_that_takes_no_writes_does_not_fill_beats_log(committed_db, broker, capfd):
    """With a schedule that is due, which beat would look at again and again."""
    PeriodicTask.objects.update(last_run_at=None)
    database = connection.ops.quote_name(connection.settings_dict["NAME"])
    with Beat() as beat:
        beat.look()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE schedules_schedulestate SET look_at = clock_timestamp()")
            cursor.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        connection.close()
        try:
            capfd.readouterr()
            for _ in range(40):
                beat.look()
        finally:
            connection.close()
            with connection.cursor() as cursor:
                cursor.execute("SET default_transaction_read_only = off")
                cursor.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
            connection.close()

    assert 0 < capfd.readouterr().err.count('"logger": "schedules.scheduler"') < 10
