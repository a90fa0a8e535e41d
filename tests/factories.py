"""Rows for tests. Each fills what a state implies."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from reminders.models import Delivery, Reminder, ReminderRule
from taskapp.models import Task

PASSWORD = "correct horse battery"


def make_user(username: str, **fields: Any) -> User:
    return User.objects.create_user(username, f"{username}@example.org", PASSWORD, **fields)


def in_hours(hours: float) -> datetime:
    return timezone.now() + timedelta(hours=hours)


def make_task(owner: User, *, due_in_hours: float | None = 3, title: str = "Pay the rent", **fields: Any) -> Task:
    """A task due in so many hours: within the day before which the default rule reminds."""
    if due_in_hours is not None:
        fields.setdefault("due_at", in_hours(due_in_hours))
    return Task.objects.create(owner=owner, title=title, **fields)


def default_rule() -> ReminderRule:
    return ReminderRule.objects.get(owner=None, task=None)


def make_reminder(task: Task, **fields: Any) -> Reminder:
    rule = fields.pop("rule", None) or default_rule()
    fields = {"kind": rule.kind, "due_at": task.due_at, "remind_at": task.due_at + rule.offset, **fields}
    return Reminder.objects.create(task=task, rule=rule, **fields)


def make_delivery(task: Task, **fields: Any) -> Delivery:
    """A queued delivery of a reminder of the task, unless told otherwise."""
    reminder = make_reminder(task, status=Reminder.Status.DISPATCHED)
    if fields.get("status") == Delivery.Status.SENT:
        fields.setdefault("sent_at", timezone.now())
    if fields.get("status") in {Delivery.Status.FAILED, Delivery.Status.SUPPRESSED}:
        fields.setdefault("reason", "a reason")
    return Delivery.objects.create(reminder=reminder, recipient=task.owner, **fields)
