"""Runs on request: rows, each published by one beat of many."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from schedules.models import RunRequest
from schedules.services import publish_requests, request_run
from tests.at_once import at_once
from tests.factories import make_user


@pytest.fixture
def schedule(committed_db) -> PeriodicTask:
    schedule = PeriodicTask.objects.get(name="prune-results")
    request_run([schedule], by=make_user("staff"))
    return schedule


def test_a_run_that_was_asked_for_is_published_once(schedule):
    published: list[PeriodicTask] = []

    publish_requests(published.append)
    publish_requests(published.append)

    assert published == [schedule]
    assert RunRequest.objects.get().published_at is not None


def test_a_run_that_could_not_go_out_stays_asked_for(schedule):
    def fail(schedule: PeriodicTask) -> None:
        raise ConnectionError("no broker")

    publish_requests(fail)
    RunRequest.objects.update(taken_at=timezone.now() - timedelta(minutes=1))

    assert publish_requests(lambda schedule: None) == 1


def test_one_that_cannot_be_published_does_not_stop_the_others_and_says_why(schedule):
    other = PeriodicTask.objects.get(name="prune-reminders")
    request_run([other], by=make_user("another"))

    def publish(schedule: PeriodicTask) -> None:
        if schedule != other:
            raise ValueError("arguments that are no list")

    assert [publish_requests(publish), publish_requests(publish)] == [0, 1]
    assert RunRequest.objects.get(published_at=None).error == "arguments that are no list"


def test_a_broker_that_is_away_is_tried_once_however_many_runs_wait(schedule):
    request_run([schedule] * 9, by=make_user("another"))
    tries: list[PeriodicTask] = []

    def fail(schedule: PeriodicTask) -> None:
        tries.append(schedule)
        raise ConnectionError("no broker")

    publish_requests(fail)

    assert len(tries) == 1


def test_of_several_beats_one_publishes_each(schedule):
    request_run([schedule] * 29, by=make_user("another"))
    published: list[PeriodicTask] = []

    at_once(lambda: publish_requests(published.append), times=4)

    assert len(published) == 30
