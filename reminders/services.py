"""What people do with reminders and deliveries: all of it rows, which the next sweep finds within a second."""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from reminders.models import Delivery, Reminder
from reminders.planning import CANCELLED_BY, hold_planning
from work.step import clock, noted, step


def send_now(reminders: "QuerySet[Reminder]", *, by: User) -> int:
    """Let planned reminders be due at once; return how many were still planned."""
    with transaction.atomic():
        moved = Reminder.objects.filter(pk__in=locked(reminders), status=Reminder.Status.PLANNED).update(
            remind_at=clock(), history=noted("sent ahead", by=by.get_username())
        )
    step("reminder", "sent ahead", rows=moved, by=by.pk)
    return moved


def cancel_reminders(reminders: "QuerySet[Reminder]", *, by: User) -> int:
    """Cancel planned reminders, and what of dispatched ones has not gone out yet; return how many were cancelled."""
    reason = f"{CANCELLED_BY}{by.get_username()}"
    with transaction.atomic():
        ids = locked(reminders)
        cancelled = Reminder.objects.filter(pk__in=ids, status=Reminder.Status.PLANNED).update(
            status=Reminder.Status.CANCELLED, reason=reason, history=noted("cancelled", reason=reason)
        )
        suppressed = Delivery.objects.filter(reminder__in=ids, status=Delivery.Status.QUEUED).update(
            status=Delivery.Status.SUPPRESSED, reason=reason, history=noted("suppressed", reason=reason)
        )
    step("reminder", "cancelled", rows=cancelled, by=by.pk)
    step("delivery", "suppressed", rows=suppressed, by=by.pk)
    return cancelled + suppressed


def retry_deliveries(deliveries: "QuerySet[Delivery]", *, by: User) -> int:
    """Queue failed and suppressed deliveries again, with all their attempts; hurry those that wait for a later one."""
    movable = [Delivery.Status.FAILED, Delivery.Status.SUPPRESSED, Delivery.Status.QUEUED]
    with transaction.atomic():
        moved = Delivery.objects.filter(pk__in=locked(deliveries), status__in=movable).update(
            status=Delivery.Status.QUEUED, reason="", attempts=0, not_before=clock(),
            history=noted("retried", by=by.get_username()),
        )  # fmt: skip
    step("delivery", "retried", rows=moved, by=by.pk)
    return moved


def locked(rows: "QuerySet[Any]") -> list[int]:
    """The ids of the rows, locked in the order of their numbers, so that two who lock many do not cross."""
    hold_planning()
    own = rows.model._default_manager.filter(pk__in=list(rows.values_list("pk", flat=True)))
    return list(own.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
