"""What people do with reminders and deliveries: all of it rows, which the next sweep finds within a second."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from reminders.models import Delivery, Reminder
from reminders.planning import CANCELLED_BY, hold_planning
from work.step import clock, noted, step

CHUNK = 1_000
"""So many rows are moved in one transaction: planning waits for no more than that."""


def send_now(reminders: "QuerySet[Reminder]", *, by: User) -> int:
    """Let planned reminders be due at once; return how many were still planned."""

    def move(ids: list[int]) -> int:
        return Reminder.objects.filter(pk__in=ids, status=Reminder.Status.PLANNED).update(
            remind_at=clock(), history=noted("sent ahead", by=by.get_username())
        )

    moved = in_chunks(reminders.filter(status=Reminder.Status.PLANNED), move)
    step("reminder", "sent ahead", rows=moved, by=by.pk)
    return moved


def cancel_reminders(reminders: "QuerySet[Reminder]", *, by: User) -> int:
    """Cancel planned reminders, and what of dispatched ones has not gone out yet; return how many were cancelled.

    A delivery that a worker has in its hands belongs to that worker: its reminder is cancelled, which the last check
    sees.
    """
    reason = f"{CANCELLED_BY}{by.get_username()}"
    cancelled: dict[str, Any] = {
        "status": Reminder.Status.CANCELLED, "reason": reason, "history": noted("cancelled", reason=reason),
    }  # fmt: skip

    def cancel(ids: list[int]) -> int:
        own = Reminder.objects.filter(pk__in=ids)
        in_hand = Delivery.objects.filter(reminder__in=ids, status=Delivery.Status.LEASED, handing_over=False)
        return (
            own.filter(status=Reminder.Status.PLANNED).update(**cancelled)
            + own.filter(status=Reminder.Status.DISPATCHED, pk__in=in_hand.values("reminder")).update(**cancelled)
            + Delivery.objects.filter(reminder__in=ids, status=Delivery.Status.QUEUED).update(
                status=Delivery.Status.SUPPRESSED, reason=reason, history=noted("suppressed", reason=reason)
            )
        )

    count = in_chunks(reminders, cancel)
    step("reminder", "cancelled", rows=count, by=by.pk)
    return count


def retry_deliveries(deliveries: "QuerySet[Delivery]", *, by: User) -> int:
    """Queue failed and suppressed deliveries again, with all attempts and repeats; hurry those that wait.

    A reminder that was cancelled while a worker had its delivery is not cancelled any more: else the last check would
    suppress that again.
    """
    movable = [Delivery.Status.FAILED, Delivery.Status.SUPPRESSED, Delivery.Status.QUEUED]

    def move(ids: list[int]) -> int:
        # Not waited for: who holds one is deleting it, and would wait for its deliveries.
        cancelled = Reminder.objects.filter(status=Reminder.Status.CANCELLED, deliveries__in=ids)
        free = list(
            cancelled.select_for_update(skip_locked=True, no_key=True, of=["self"]).values_list("pk", flat=True)
        )
        Reminder.objects.filter(pk__in=free).update(
            status=Reminder.Status.DISPATCHED, reason="", history=noted("retried", by=by.get_username())
        )
        return Delivery.objects.filter(pk__in=ids, status__in=movable).update(
            status=Delivery.Status.QUEUED, reason="", attempts=0, unknown_outcomes=0, not_before=clock(),
            history=noted("retried", by=by.get_username()),
        )  # fmt: skip

    moved = in_chunks(deliveries.filter(status__in=movable), move)
    step("delivery", "retried", rows=moved, by=by.pk)
    return moved


def in_chunks(rows: "QuerySet[Any]", move: Callable[[list[int]], int]) -> int:
    """Have `move` move the rows, a chunk of ids at a time; return how many it moved.

    Each chunk is locked in the order of the numbers and beside planning, so that nobody who moves many crosses another.
    """
    ids = sorted(rows.order_by().values_list("pk", flat=True))
    moved = 0
    for begin in range(0, len(ids), CHUNK):
        chunk = ids[begin : begin + CHUNK]
        with transaction.atomic():
            hold_planning()
            own = rows.model._default_manager.filter(pk__in=chunk).order_by("pk")
            moved += move(list(own.select_for_update(no_key=True).values_list("pk", flat=True)))
    return moved
