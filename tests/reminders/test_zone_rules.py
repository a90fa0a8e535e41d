"""The rules of a zone change under stored tasks: their wall time stays, reminders follow, and nothing is told again.

The zone is Vancouver, eight hours behind UTC by the older rules whatever the season, and seven by those of today.
"""

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from config import time_zones
from reminders.delivering import deliver_batch
from reminders.dispatching import dispatch
from reminders.models import Delivery, Reminder, TaskChange
from reminders.planning import plan
from reminders.zone_rules import follow_zone_rules, move
from schedules.models import ScheduleChange
from taskapp import services
from taskapp.dates import local_of
from taskapp.models import Task, TimeZoneRules
from taskapp.zone_rules import find
from tests.factories import make_reminder
from tests.zone_rules import older_rules

pytestmark = pytest.mark.django_db

VANCOUVER = "America/Vancouver"
HOUR = timedelta(hours=1)


@pytest.fixture
def older(tmp_path) -> AbstractContextManager[None]:
    return older_rules(tmp_path / "zones", VANCOUVER, "PST8", -8)


def in_days(days: float) -> datetime:
    return (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)


def make(owner, due_at: datetime, **fields) -> Task:
    return services.create_task(owner, title="x", due_at=due_at, timezone=VANCOUVER, **fields)


def stored(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def sweep() -> None:
    while plan()["changes"]:
        pass
    dispatch()
    deliver_batch()


def test_a_timed_due_date_keeps_its_wall_time(alice, older):
    due_at = in_days(30)
    with older:
        task = make(alice, due_at)

    assert follow_zone_rules() == 1

    moved = stored(task)
    assert moved.due_at == due_at - HOUR
    assert moved.due_at.astimezone(ZoneInfo(VANCOUVER)).isoformat().startswith(moved.due_local)
    assert moved.due_local == task.due_local
    assert moved.version == task.version + 1  # a client that holds the old instant must not write it back


def test_an_all_day_due_date_keeps_its_day(alice, older):
    with older:
        task = make(alice, in_days(30), all_day=True)

    follow_zone_rules()

    moved = stored(task)
    assert moved.due_at == task.due_at - HOUR
    assert moved.due_local == task.due_local


def test_one_that_was_stored_before_what_was_meant_was_keeps_its_day_too(alice, older):
    with older:
        task = make(alice, in_days(30), all_day=True)
        Task.objects.update(due_local="")

    follow_zone_rules()

    assert (stored(task).due_at, stored(task).due_local) == (task.due_at - HOUR, task.due_local)


def test_what_is_planned_follows(alice, older):
    with older:
        task = make(alice, in_days(30))
        plan()
    before = Reminder.objects.get()

    follow_zone_rules()
    plan()

    after = Reminder.objects.get()
    assert (after.pk, after.status) == (before.pk, "planned")
    assert after.due_at == stored(task).due_at
    assert after.remind_at == before.remind_at - HOUR


def test_what_was_told_is_not_told_again(alice, older, mail_server):
    with older:
        task = make(alice, in_days(0.5))
        sweep()

    follow_zone_rules()
    Delivery.objects.update(handed_over_at=datetime.now(UTC) - timedelta(hours=2))
    sweep()

    reminder = Reminder.objects.get()
    assert len(mail_server.accepted) == 1
    assert reminder.due_at == stored(task).due_at
    assert [step["step"] for step in reminder.history][-1] == "zone rules changed"


def test_what_waits_for_its_worker_is_sent_once_with_the_wall_time_that_was_meant(alice, older, mail_server):
    with older:
        task = make(alice, in_days(0.5))
        plan()
        dispatch()

    follow_zone_rules()
    sweep()

    (mail,) = mail_server.accepted
    wall = datetime.fromisoformat(task.due_local)
    assert f"{wall:%H:%M} (America/Vancouver)" in mail["Subject"]


def test_a_due_date_that_was_at_the_new_instant_before_is_not_told_again_either(alice, older, mail_server):
    with older:
        task = make(alice, in_days(0.5) - HOUR)
        sweep()
        services.update_task(task, due_at=task.due_at + HOUR)
        Delivery.objects.update(handed_over_at=datetime.now(UTC) - timedelta(hours=3))
        sweep()
    Delivery.objects.filter(reminder__due_at=task.due_at + HOUR).update(
        handed_over_at=datetime.now(UTC) - timedelta(hours=2)
    )

    follow_zone_rules()
    sweep()

    assert len(mail_server.accepted) == 2
    assert set(Reminder.objects.values_list("due_at", "round")) == {(task.due_at, 1), (task.due_at, 2)}


def test_what_is_over_stays(alice, older):
    with older:
        task = make(alice, in_days(-0.5))

    assert follow_zone_rules() == 0
    assert stored(task).due_at == task.due_at


def test_what_is_over_only_by_the_older_rules_is_not(alice, tmp_path):
    with older_rules(tmp_path, VANCOUVER, "PST6", -6):
        task = make(alice, datetime.now(UTC) - timedelta(minutes=30))

    assert follow_zone_rules() == 1
    assert stored(task).due_at == task.due_at + HOUR


@pytest.mark.parametrize("end", [services.complete_task, services.delete_task])
def test_what_may_come_back_follows_too(alice, older, end):
    with older:
        task = make(alice, in_days(30))
        end(task)

    follow_zone_rules()

    assert stored(task).due_at == task.due_at - HOUR


def test_other_zones_and_later_runs_change_nothing(alice, older):
    with older:
        make(alice, in_days(30))
        other = services.create_task(alice, title="x", due_at=in_days(30), timezone="Europe/Berlin")
    follow_zone_rules()
    before = list(Task.objects.order_by("pk").values())

    assert follow_zone_rules() == 0
    assert list(Task.objects.order_by("pk").values()) == before
    assert stored(other).version == 1


def test_many_chunks_are_gone_through(alice, older, monkeypatch):
    monkeypatch.setattr(find, "__kwdefaults__", {"limit": 2})
    with older:
        for _ in range(5):
            make(alice, in_days(30))

    with CaptureQueriesContext(connection) as queries:
        assert follow_zone_rules() == 5
    assert sum("WITH given AS" in query["sql"] for query in queries) == 3


def test_a_reminder_of_another_due_date_stays(alice, older):
    with older:
        task = make(alice, in_days(30))
        earlier = make_reminder(task, due_at=in_days(3), status="cancelled", reason="the due date was moved")

    follow_zone_rules()

    assert Reminder.objects.get(pk=earlier.pk).due_at == earlier.due_at


def test_who_changes_a_task_meanwhile_is_not_overwritten(alice, older):
    with older:
        task = make(alice, in_days(30))
    changes, _ = find(0)

    services.update_task(task, timezone="Europe/Berlin")

    assert move(changes) == 0
    changed = stored(task)
    assert (changed.due_at, changed.timezone) == (task.due_at, "Europe/Berlin")
    assert changed.due_local == local_of(task.due_at, "Europe/Berlin", all_day=False)


def test_a_due_date_that_nobody_has_planned_yet_and_that_lies_in_the_past_now_is_told(alice, older, mail_server):
    """It was in the future when it was set, two hours ago."""
    with older:
        make(alice, datetime.now(UTC) + timedelta(minutes=40))
    TaskChange.objects.update(at=datetime.now(UTC) - timedelta(hours=2))

    follow_zone_rules()
    sweep()

    assert len(mail_server.accepted) == 1


def test_an_all_day_task_of_older_rules_that_is_sent_back_as_it_was_keeps_its_day(alice, older):
    """It is over, so that it was left alone."""
    with older:
        task = make(alice, datetime(2026, 1, 15, 12, tzinfo=UTC), all_day=True)

    assert services.update_task(task, due_at=task.due_at, all_day=True).due_local == "2026-01-15"
    assert services.update_task(stored(task), timezone="America/Toronto").due_local == "2026-01-15"


@pytest.mark.parametrize(
    ("due_at", "local"),
    [
        ("8999-12-31T23:30:00Z", "8999-12-31T17:30:00"),  # the rules would lead out of the calendar
        ("2999-12-31T23:30:00Z", "2999-02-30"),  # no day
        ("2999-12-31T23:30:00Z", "2999-12-20T09:00:00"),  # not of this due date
    ],
)
def test_what_cannot_be_is_left_alone_and_stops_nobody(alice, older, due_at, local):
    odd = make(alice, in_days(30))
    Task.objects.filter(pk=odd.pk).update(due_at=datetime.fromisoformat(due_at), due_local=local)
    with older:
        other = make(alice, in_days(30))

    assert follow_zone_rules() == 1

    assert stored(odd).due_at == datetime.fromisoformat(due_at)
    assert stored(other).due_at == other.due_at - HOUR


def prepare() -> str:
    said = StringIO()
    call_command("prepare", stdout=said)
    return said.getvalue()


def test_a_release_does_it_once_for_each_version_of_the_rules(alice, older):
    TimeZoneRules.objects.all().delete()
    TimeZoneRules.objects.create(pk=1, version="2025.2")
    with older:
        task = make(alice, in_days(30))

    first, second = prepare(), prepare()

    assert "1 due date follows the time zone rules of tzdata" in first
    assert "follow" not in second
    assert stored(task).due_at == task.due_at - HOUR
    assert TimeZoneRules.objects.get().version == time_zones.version()


def test_crontabs_are_looked_at_anew(staff):
    crontab = CrontabSchedule.objects.create(minute="30", hour="3", timezone=VANCOUVER)
    job = PeriodicTask.objects.create(name="nightly", task="reminders.prune", crontab=crontab)
    ScheduleChange.objects.all().delete()
    TimeZoneRules.objects.all().delete()

    prepare()

    assert ScheduleChange.objects.filter(schedule_id=job.pk).exists()
