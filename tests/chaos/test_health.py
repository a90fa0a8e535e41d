"""`/healthz/reminders` names the part that was stopped, in time, and does not flap when a worker is killed."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.chaos.fleet import BEATS, WORKERS, Fleet
from tests.chaos.mail_server import MailServer, Mood
from tests.waiting import eventually

LATE_SECONDS = 15
"""The product's default is 120; nothing in it but this number sets how soon a part is named."""

SLACK_SECONDS = 10


@pytest.fixture(scope="module")
def fleet(tmp_path_factory) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("health")
    with MailServer() as mail, Fleet(directory, mail, HEALTH_LATE_SECONDS=str(LATE_SECONDS)) as fleet:
        yield fleet


@contextmanager
def stopped(fleet: Fleet, *names: str) -> Iterator[None]:
    """Killed, and not started again until the end."""
    for name in names:
        fleet[name].is_wanted = False
        fleet[name].signal(signal.SIGKILL)
    yield
    for name in names:
        fleet[name].is_wanted = True


@contextmanager
def without_mail(fleet: Fleet, mood: Mood) -> Iterator[None]:
    fleet.mail.be(mood)
    yield
    fleet.mail.be(Mood.WELL)


def until_well(fleet: Fleet) -> None:
    """All is well, and every part has just been heard of, as it is when nothing was wrong for a while."""
    eventually(lambda: fleet.down() == [], within=90)
    heard_of = """
        SELECT count(*) FROM work_bell
        WHERE name IN ('beat', 'reminders.send_due_soon', 'mail server')
          AND answered_at > clock_timestamp() - interval '4 seconds'
    """
    eventually(lambda: fleet.sql(heard_of) == [(3,)], within=90)


STOPS = {
    "beat": lambda fleet: stopped(fleet, *BEATS),
    "worker": lambda fleet: stopped(fleet, *WORKERS),
    "broker": lambda fleet: stopped(fleet, "redis"),
    "database": lambda fleet: stopped(fleet, "postgres"),
}


@pytest.mark.parametrize("part", STOPS)
def test_a_part_that_is_stopped_is_named_in_time_and_alone(fleet, part):
    until_well(fleet)

    with STOPS[part](fleet):
        named = eventually(lambda: fleet.down(), within=LATE_SECONDS + SLACK_SECONDS)

    assert named == [part]


@pytest.mark.parametrize(
    "mood",
    [Mood.SILENT, *(pytest.param(mood, marks=pytest.mark.slow) for mood in (Mood.REFUSE, Mood.CLOSING))],
    ids=lambda mood: mood.name,
)
def test_a_mail_server_that_is_stopped_is_named_in_time_though_nothing_waits(fleet, mood):
    until_well(fleet)

    with without_mail(fleet, mood):
        named = eventually(lambda: fleet.down(), within=LATE_SECONDS + SLACK_SECONDS)

    assert named == ["mail"]


def test_an_ordinary_death_of_a_worker_is_no_broken_promise(fleet):
    until_well(fleet)
    seen = []

    for name in WORKERS:
        fleet[name].signal(signal.SIGKILL)
        end = time.monotonic() + LATE_SECONDS / 2
        while time.monotonic() < end:
            seen.append(fleet.down())
            time.sleep(0.2)  # between two looks

    assert set(map(str, seen)) == {"[]"}
