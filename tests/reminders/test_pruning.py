"""What is long over is deleted, and nothing else."""

import os
import time
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from reminders import pruning
from reminders.models import Delivery, Reminder
from reminders.pruning import is_more_wanted, prune
from taskapp.models import Task
from tests.factories import in_hours, make_delivery, make_reminder, make_task

pytestmark = pytest.mark.django_db

DAYS = timedelta(days=1)
LONG_AGO = 24 * -100


def prune_now() -> dict[str, int]:
    return prune(history=90 * DAYS, tombstones=30 * DAYS)


def test_the_history_of_a_reminder_goes_after_its_time_with_its_deliveries(alice):
    make_delivery(make_task(alice, due_in_hours=LONG_AGO), status="sent")
    Reminder.objects.update(created_at=in_hours(LONG_AGO))

    counts = prune_now()

    assert counts["reminders"] == 1
    assert (Reminder.objects.count(), Delivery.objects.count(), Task.objects.count()) == (0, 0, 1)


@pytest.mark.parametrize("status", ["queued", "leased"])
def test_a_delivery_that_is_not_over_is_kept_however_old(alice, status):
    lease = {"lease_token": uuid.uuid4(), "lease_until": in_hours(1)} if status == "leased" else {}
    make_delivery(make_task(alice, due_in_hours=LONG_AGO), status=status, **lease)
    Reminder.objects.update(created_at=in_hours(LONG_AGO))

    assert prune_now()["reminders"] == 0


def test_a_planned_reminder_is_kept_however_old(alice):
    make_reminder(make_task(alice, due_in_hours=LONG_AGO))
    Reminder.objects.update(created_at=in_hours(LONG_AGO))

    assert prune_now()["reminders"] == 0


def test_recent_history_is_kept(alice):
    make_delivery(make_task(alice), status="sent")

    assert prune_now()["reminders"] == 0


def test_a_task_that_was_deleted_long_ago_is_purged_and_a_recent_one_is_kept(alice):
    old, recent = make_task(alice, due_in_hours=None), make_task(alice, due_in_hours=None)
    Task.objects.filter(pk=old.pk).update(deleted_at=timezone.now() - 31 * DAYS)
    Task.objects.filter(pk=recent.pk).update(deleted_at=timezone.now() - 29 * DAYS)

    counts = prune_now()

    assert counts["tasks"] == 1
    assert list(Task.objects.all()) == [recent]


def test_a_deleted_task_stays_while_there_is_a_history_of_its_reminders(alice):
    task = make_task(alice, due_in_hours=24 * 365)
    make_reminder(task, status="cancelled", reason="the task was deleted")
    Task.objects.update(deleted_at=timezone.now() - 60 * DAYS)
    Reminder.objects.update(created_at=timezone.now() - 100 * DAYS)
    first = prune_now()

    Task.objects.update(deleted_at=timezone.now() - 91 * DAYS)
    second = prune_now()

    assert (first["reminders"], first["tasks"]) == (0, 0)
    assert (second["reminders"], second["tasks"]) == (1, 1)


def test_mail_in_the_outbox_goes_with_the_history(alice, outbox):
    outbox.mkdir()
    old, recent = outbox / "old.eml", outbox / "recent.eml"
    for file in (old, recent):
        file.write_text("mail")
    os.utime(old, (time.time() - 91 * 86400,) * 2)

    counts = prune_now()

    assert counts["mails"] == 1
    assert [file.name for file in outbox.iterdir()] == ["recent.eml"]


def test_what_a_run_leaves_is_asked_for_until_a_run_has_left_nothing(alice, monkeypatch, broker):
    make_delivery(make_task(alice, due_in_hours=LONG_AGO), status="sent")
    Reminder.objects.update(created_at=in_hours(LONG_AGO))
    before = is_more_wanted()

    with monkeypatch.context() as patch:
        patch.setattr(pruning, "BUDGET_SECONDS", 0)
        cut_short = prune_now()
    asked = [is_more_wanted(), is_more_wanted()]
    counts = prune_now()

    assert cut_short["reminders"] == 0
    assert (before, asked) == (False, [True, False])
    assert counts["reminders"] == 1
    assert not is_more_wanted()


def test_a_run_goes_on_behind_what_stays(alice, monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 1)
    make_delivery(make_task(alice, due_in_hours=LONG_AGO - 2), status="queued")
    for hours in (0, 1):
        make_delivery(make_task(alice, due_in_hours=LONG_AGO - hours), status="sent")
    Reminder.objects.update(created_at=in_hours(LONG_AGO))

    assert prune_now()["reminders"] == 2

    assert Delivery.objects.get().status == "queued"


def test_what_was_past_when_it_was_set_is_kept_for_its_time(alice):
    make_reminder(make_task(alice, due_in_hours=LONG_AGO), status="cancelled", reason="already past when it was set")

    assert prune_now()["reminders"] == 0
