"""Sweep 1: the reminders of a task become what they should be."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reminders import planning
from reminders.dispatching import dispatch
from reminders.models import Delivery, Reminder, ReminderRule, RuleChange, TaskChange
from reminders.planning import plan
from reminders.services import cancel_reminders, send_now
from taskapp import services
from taskapp.models import Task
from tests.factories import default_rule, in_hours, make_delivery, make_task, make_user

pytestmark = pytest.mark.django_db


def reminders_of(task: Task) -> list[tuple[str, str]]:
    return list(Reminder.objects.filter(task=task).order_by("id").values_list("status", "reason"))


def test_a_task_with_a_due_date_gets_a_reminder_a_day_before(alice):
    task = make_task(alice, due_in_hours=48)

    plan()

    reminder = Reminder.objects.get(task=task)
    assert reminder.status == "planned"
    assert reminder.remind_at == task.due_at - timedelta(hours=24)
    assert [entry["step"] for entry in reminder.history] == ["planned"]


def test_a_task_without_a_due_date_gets_none(alice):
    task = make_task(alice, due_in_hours=None)

    plan()

    assert reminders_of(task) == []


def test_a_task_made_ten_minutes_before_it_is_due_is_reminded_too(alice):
    task = make_task(alice, due_in_hours=1 / 6)

    plan()

    assert reminders_of(task) == [("planned", "")]


def test_a_due_date_that_was_past_when_it_was_set_is_not_announced_and_says_why(alice):
    task = make_task(alice, due_in_hours=-1)

    plan()

    assert reminders_of(task) == [("cancelled", "already past when it was set")]


def test_a_due_date_that_an_outage_made_past_is_still_announced(alice):
    task = make_task(alice, due_in_hours=-1)
    TaskChange.objects.update(at=in_hours(-2))

    plan()

    assert reminders_of(task) == [("planned", "")]


def test_planning_twice_changes_nothing(alice):
    task = make_task(alice)
    plan()
    TaskChange.objects.create(task_id=task.pk, due_at=task.due_at)

    counts = plan()

    assert counts == {"changes": 1, "planned": 0, "cancelled": 0}
    assert reminders_of(task) == [("planned", "")]


def test_a_moved_due_date_cancels_the_old_reminder_and_plans_one_for_the_new(alice):
    task = make_task(alice, due_in_hours=48)
    plan()

    services.update_task(task, due_at=in_hours(72))
    plan()

    assert reminders_of(task) == [("cancelled", "the due date was moved"), ("planned", "")]


def test_a_due_date_moved_back_revives_the_first_reminder(alice):
    task = make_task(alice, due_in_hours=48)
    first = task.due_at
    plan()
    services.update_task(task, due_at=in_hours(72))
    plan()

    services.update_task(task, due_at=first)
    plan()

    assert reminders_of(task) == [("planned", ""), ("cancelled", "the due date was moved")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (services.complete_task, "the task was done"),
        (services.delete_task, "the task was deleted"),
        (lambda task: services.update_task(task, due_at=None), "the due date was removed"),
    ],
)
def test_a_task_that_wants_no_reminder_any_more_says_why(alice, change, reason):
    task = make_task(alice, due_in_hours=48)
    plan()

    change(task)
    plan()

    assert reminders_of(task) == [("cancelled", reason)]


def test_a_task_that_is_reopened_is_planned_again(alice):
    task = make_task(alice, due_in_hours=48)
    plan()
    services.complete_task(task)
    plan()

    services.update_task(task, status=Task.Status.TODO)
    plan()

    assert reminders_of(task) == [("planned", "")]
    assert [entry["step"] for entry in Reminder.objects.get().history] == ["planned", "cancelled", "planned again"]


def test_a_restored_task_is_planned_again(alice):
    task = make_task(alice, due_in_hours=48)
    plan()
    services.delete_task(task)
    plan()

    services.restore_task(task)
    plan()

    assert reminders_of(task) == [("planned", "")]


def test_a_task_reopened_after_its_delivery_was_suppressed_is_delivered_after_all(alice):
    task = make_task(alice)
    plan()
    Reminder.objects.all().delete()
    delivery = make_delivery(task, status="suppressed", reason="the task was done")

    services.update_task(task, status=Task.Status.IN_PROGRESS)
    services.complete_task(task)
    services.update_task(task, status=Task.Status.TODO)
    plan()

    delivery.refresh_from_db()
    assert delivery.status == "queued"


def test_a_reminder_that_was_sent_is_not_sent_again_when_the_task_is_reopened(alice):
    task = make_task(alice)
    plan()
    Reminder.objects.all().delete()
    delivery = make_delivery(task, status="sent")

    services.complete_task(task)
    services.update_task(task, status=Task.Status.TODO)
    plan()

    delivery.refresh_from_db()
    assert delivery.status == "sent"
    assert Reminder.objects.count() == 1


@pytest.mark.parametrize(
    "write",
    [
        lambda task: Task.objects.filter(pk=task.pk).update(status="done"),
        lambda task: Task.objects.bulk_update([Task(pk=task.pk, status="done")], ["status"]),
        lambda task: connection.cursor().execute("UPDATE taskapp_task SET status = 'done' WHERE id = %s", [task.pk]),
    ],
    ids=["update()", "bulk_update()", "raw SQL"],
)
def test_a_change_is_seen_whoever_makes_it(alice, write):
    task = make_task(alice, due_in_hours=48)
    plan()

    write(task)
    plan()

    assert reminders_of(task) == [("cancelled", "the task was done")]


def test_a_change_that_concerns_no_reminder_is_not_queued(alice):
    task = make_task(alice)
    plan()

    services.update_task(task, title="Pay the rent at last", priority="high")

    assert not TaskChange.objects.exists()


def test_planning_deletes_only_the_changes_that_it_read(alice):
    plan()
    for _ in range(3):
        make_task(alice)

    counts = plan(limit=2)

    assert counts["changes"] == 2
    assert TaskChange.objects.count() == 1


def test_a_changed_offset_moves_planned_reminders(alice):
    task = make_task(alice, due_in_hours=72)
    plan()

    ReminderRule.objects.update(offset=timedelta(hours=-1))
    plan()

    assert Reminder.objects.get().remind_at == task.due_at - timedelta(hours=1)


def test_a_changed_rule_reaches_more_tasks_than_fit_in_a_chunk(alice, monkeypatch):
    monkeypatch.setattr(planning.fan_out, "__kwdefaults__", {"limit": 2})
    tasks = [make_task(alice, due_in_hours=72) for _ in range(5)]
    plan()

    ReminderRule.objects.update(offset=timedelta(hours=-1))
    while plan()["changes"]:
        pass

    assert {each.remind_at for each in Reminder.objects.all()} == {each.due_at - timedelta(hours=1) for each in tasks}


def test_a_disabled_rule_cancels_its_planned_reminders(alice):
    task = make_task(alice, due_in_hours=72)
    plan()

    ReminderRule.objects.update(is_enabled=False)
    plan()

    assert reminders_of(task) == [("cancelled", "the rule no longer applies")]


def test_a_deleted_rule_cancels_its_planned_reminders_and_they_keep_its_number(alice):
    task = make_task(alice, due_in_hours=72)
    number = default_rule().pk
    plan()

    default_rule().delete()
    plan()

    assert reminders_of(task) == [("cancelled", "the rule no longer applies")]
    assert Reminder.objects.get().rule_id == number


def test_a_rule_is_judged_by_when_it_was_changed_not_by_when_that_is_found(alice):
    task = make_task(alice, due_in_hours=-1)
    TaskChange.objects.update(at=in_hours(-3))
    plan()
    ReminderRule.objects.update(is_enabled=False)
    plan()

    ReminderRule.objects.update(is_enabled=True)
    RuleChange.objects.update(at=in_hours(-1.5))  # so long the sweep was away, and the task fell due meanwhile
    plan()

    assert reminders_of(task) == [("planned", "")]


def test_a_reminder_sent_ahead_stays_ahead_whatever_else_changes(alice):
    task = make_task(alice, due_in_hours=48)
    plan()

    send_now(Reminder.objects.all(), by=alice)
    services.update_task(task, status=Task.Status.IN_PROGRESS)
    plan()

    assert dispatch() == {"dispatched": 1}


def test_a_task_given_to_somebody_else_after_it_was_told_is_told_to_the_new_owner(alice, bob):
    task = make_task(alice)
    plan()
    Reminder.objects.all().delete()
    make_delivery(task, status="sent")

    Task.objects.update(owner=bob)
    plan()

    assert set(Delivery.objects.values_list("recipient__username", "status")) == {("alice", "sent"), ("bob", "queued")}


def test_rules_of_an_owner_or_a_task_are_for_those_alone(alice):
    other = make_user("carol")
    mine, hers = make_task(alice, due_in_hours=72), make_task(other, due_in_hours=72)
    second = make_task(alice, due_in_hours=72)
    ReminderRule.objects.create(offset=timedelta(hours=-2), owner=alice)
    ReminderRule.objects.create(offset=timedelta(hours=-3), task=second)

    while plan()["changes"]:
        pass

    assert Reminder.objects.filter(task=mine).count() == 2
    assert Reminder.objects.filter(task=hers).count() == 1
    assert Reminder.objects.filter(task=second).count() == 3


def test_a_reminder_cancelled_by_a_person_stays_cancelled(alice):
    task = make_task(alice, due_in_hours=48)
    plan()
    cancel_reminders(Reminder.objects.all(), by=alice)

    services.complete_task(task)
    services.update_task(task, status=Task.Status.TODO)
    plan()

    assert reminders_of(task) == [("cancelled", "cancelled by alice")]


def test_planning_takes_as_many_statements_for_many_tasks_as_for_one(alice):
    plan()
    make_task(alice)
    with CaptureQueriesContext(connection) as one:
        plan()
    Task.objects.bulk_create([Task(owner=alice, title="x", due_at=in_hours(30)) for _ in range(500)])

    with CaptureQueriesContext(connection) as many:
        plan()

    assert len(many) == len(one)
    assert Reminder.objects.count() == 501


def test_a_task_that_is_saved_now_does_not_wait_behind_an_import(alice, bob):
    RuleChange.objects.all().delete()
    for _ in range(30):
        make_task(alice, due_in_hours=48)
    task = make_task(bob, due_in_hours=48)

    counts = plan(limit=10)

    assert counts["changes"] == 10
    assert reminders_of(task) == [("planned", "")]


def test_a_newer_change_that_is_taken_first_does_not_make_a_due_date_past(alice):
    """Saved in time, edited after an outage: the reminder goes out, whichever change is planned first."""
    RuleChange.objects.all().delete()
    for _ in range(20):
        make_task(alice, due_in_hours=48)
    task = make_task(alice, due_in_hours=-1)
    TaskChange.objects.update(at=in_hours(-2))
    services.update_task(task, status=Task.Status.IN_PROGRESS)

    plan(limit=10)
    at_first = reminders_of(task)
    plan()

    assert at_first == [("cancelled", "already past when it was set")]
    assert reminders_of(task) == [("planned", "")]
