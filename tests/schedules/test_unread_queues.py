"""A schedule whose queue no worker reads: its messages are bounded, and the ledger, the log and health say so."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from schedules.models import ScheduleRun
from schedules.planning import MOST_UNTAKEN
from tests.schedules.beats import Beat, fall_due, lapse, make_schedule, messages, statuses

QUEUE = "unread"
TICKS = MOST_UNTAKEN + 5


@pytest.fixture
def unread(broker):
    yield QUEUE
    broker.delete(QUEUE)


def tick(schedule: PeriodicTask, beat: Beat) -> None:
    """Its moment comes; what waits for a worker by then has waited for longer than it may."""
    open_runs = ScheduleRun.objects.filter(look_at__isnull=False)
    for run in open_runs:
        run.scheduled_for -= timedelta(minutes=2)
        run.save()
    lapse()
    fall_due(schedule)
    beat.look()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"expire_seconds": 60}, id="its runs expire"),
        pytest.param({"task": "theirs"}, id="its job is that of other workers"),
    ],
)
def test_the_messages_of_a_schedule_are_bounded(beat, broker, unread, fields):
    schedule = make_schedule(every=3600, queue=unread, **fields)
    beat.look()

    for _ in range(TICKS):
        tick(schedule, beat)

    assert len(messages(broker, unread)) == MOST_UNTAKEN
    run = ScheduleRun.objects.get(schedule=schedule, look_at__isnull=False)
    assert (run.status, run.published_at) == ("due", None)
    assert run.reason == f"no worker takes from its queue: {MOST_UNTAKEN} messages of this schedule wait in 'unread'"


@pytest.fixture
def crowded(beat, broker, unread) -> PeriodicTask:
    """A schedule whose messages fill its queue."""
    schedule = make_schedule(every=3600, queue=unread, task="theirs")
    beat.look()
    tick(schedule, beat)
    broker.lpush(unread, *broker.lrange(unread, 0, 0) * (MOST_UNTAKEN - 1))
    tick(schedule, beat)
    return schedule


def test_once_somebody_reads_the_queue_the_run_goes_out(crowded, beat, broker):
    held = ScheduleRun.objects.get(schedule=crowded, status="due")
    broker.delete(QUEUE)

    lapse()
    beat.look()

    assert len(messages(broker, QUEUE)) == 1
    assert ScheduleRun.objects.get(pk=held.pk).status == "unobserved"


def test_a_run_that_is_held_back_is_given_up_in_time_and_for_this_reason(crowded, beat):
    PeriodicTask.objects.update(expire_seconds=60)

    tick(crowded, beat)

    missed = ScheduleRun.objects.get(schedule=crowded, status="missed")
    assert missed.reason == "no worker took it for 2 min, and it is to start within 1 min"


def test_messages_of_others_hold_up_nobody(crowded, beat):
    mine = make_schedule("others", every=3600, queue=QUEUE, task="theirs")
    beat.look()

    tick(mine, beat)

    assert statuses(mine) == ["unobserved"]


def test_health_warns_of_runs_that_no_worker_takes(crowded, client):
    answer = client.get("/healthz/reminders").json()

    assert "no worker takes the runs of 1 schedules: 1 wait" in answer["checks"]["schedules"]
    assert "schedules" not in answer["down"]


def test_health_warns_of_a_message_that_waits_for_long(client, beat):
    schedule = make_schedule(every=3600)
    beat.look()
    fall_due(schedule)
    beat.look()
    assert client.get("/healthz/reminders").json()["checks"]["schedules"] == "ok"

    ScheduleRun.objects.update(scheduled_for=timezone.now() - timedelta(minutes=11))

    assert "1 wait" in client.get("/healthz/reminders").json()["checks"]["schedules"]
