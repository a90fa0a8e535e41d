"""From a rule to a delivery. docs/lifecycle.md draws the states; reminders/sweep.py tells who moves them.

Rows of TaskChange, Reminder and Delivery belong to the machine: people change tasks and rules, and the sweep makes
these what they should be.
"""

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.contrib.auth.models import User
from django.db import models
from django.db.models.functions import Greatest, Now
from django.utils.translation import gettext_lazy

from attachments.models import Attachment
from reminders.still_wanted import UNREACHABLE
from taskapp.models import Task
from work.models import Leased


class ReminderRule(models.Model):
    """When to remind, relative to the due date, of all tasks, one owner's, or one task."""

    class Kind(models.TextChoices):
        DUE_SOON = "due_soon", gettext_lazy("Due soon")

    kind = models.CharField(max_length=20, choices=Kind, default=Kind.DUE_SOON)
    offset = models.DurationField(
        help_text="Added to the due date: -1 00:00:00 is one day before it (days hours:minutes:seconds)."
    )
    owner = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: everybody's."
    )
    task = models.ForeignKey(
        Task, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: every task."
    )
    is_enabled = models.BooleanField("enabled", default=True, db_default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(offset__gte=timedelta(days=-3660), offset__lte=timedelta(days=3660)),
                name="rule_offset_within_ten_years",
            ),
        ]

    def __str__(self) -> str:
        days, hours = abs(self.offset) // timedelta(days=1), abs(self.offset) % timedelta(days=1)
        span = " ".join(filter(None, [f"{days} d" if days else "", str(hours) if hours else ""])) or "the moment"
        return f"{self.get_kind_display()}: {span}{' after' if self.offset > timedelta(0) else ' before'} the due date"


class TaskChange(models.Model):
    """ "Look at this task again": appended by triggers when a plan input of a task changes, taken by planning.plan.

    No foreign key: the row must outlive nothing and block nothing.
    """

    task_id = models.BigIntegerField()
    due_at = models.DateTimeField(null=True)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"task {self.task_id}"


class RuleChange(models.Model):
    """ "Look at the tasks of this rule again": appended by a trigger, worked off in chunks by planning.fan_out."""

    rule_id = models.BigIntegerField()
    owner_id = models.IntegerField(null=True)
    task_id = models.BigIntegerField(null=True)
    after_task_id = models.BigIntegerField(db_default=0, help_text="How far the fan-out has come.")
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"rule {self.rule_id}"


class PersonChange(models.Model):
    """ "This person can be reached again": appended by triggers, worked off in chunks by returning.fan_out_people."""

    person_id = models.IntegerField()
    after_delivery_id = models.BigIntegerField(db_default=0, help_text="How far the fan-out has come.")
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"person {self.person_id}"


class Reminder(models.Model):
    """One task, one rule, one due date: somebody is to be told at `remind_at`."""

    class Status(models.TextChoices):
        """Who moves a reminder out of each state.

        planned      dispatching.dispatch → dispatched, once `remind_at` has come;
                     planning.plan → cancelled, when the task no longer wants it.
        dispatched   a person, by services.cancel_reminders → cancelled, while a worker has its delivery in its
                     hands; else nobody: its deliveries tell the rest.
        cancelled    planning.plan → planned, when the task wants it again.
        """

        PLANNED = "planned", gettext_lazy("Planned")
        DISPATCHED = "dispatched", gettext_lazy("Dispatched")
        CANCELLED = "cancelled", gettext_lazy("Cancelled")

    # Here and below: no index of its own where another begins with the same column, for each is one more to write.
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="reminders", db_index=False)
    # A rule may be deleted; its reminders, of which there may be millions, are not rewritten and keep its number.
    rule = models.ForeignKey(
        ReminderRule, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="reminders"
    )
    kind = models.CharField(max_length=20, choices=ReminderRule.Kind)
    due_at = models.DateTimeField(help_text="The due date that this is about.")
    round = models.PositiveSmallIntegerField(
        db_default=1, default=1, help_text="Told again when the due date came back after another one had been told."
    )
    remind_at = models.DateTimeField()
    status = models.CharField(max_length=20, choices=Status, default=Status.PLANNED)
    reason = models.TextField(blank=True, default="", db_default="")
    history = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), editable=False)
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="When the change was made that it follows from."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["task", "rule", "due_at", "round"], name="reminder_unique_task_rule_due_round"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["planned", "dispatched", "cancelled"]), name="reminder_status_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(status="cancelled") | ~models.Q(reason=""), name="reminder_cancelled_says_why"
            ),
        ]
        indexes = [
            # dispatching.dispatch and wake.seconds_until_work.
            models.Index(fields=["remind_at", "id"], name="reminder_planned", condition=models.Q(status="planned")),
            # pruning.OVER: the oldest history first.
            models.Index(
                Greatest("due_at", "created_at"), "id", name="reminder_over", condition=~models.Q(status="planned")
            ),
            # The admin's list of those, which are few.
            models.Index(fields=["-id"], name="reminder_cancelled", condition=models.Q(status="cancelled")),
        ]

    def __str__(self) -> str:
        return f"reminder {self.pk}"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def owned_by(self, user: User) -> Self:
        return self.filter(recipient=user)

    def awaiting_reply(self, *, for_: timedelta) -> Self:
        """Those that a worker has handed over, or tries to, for longer than that."""
        return self.filter(status=Delivery.LEASED, handing_over=True, handed_over_at__lt=Now() - for_)

    def overdue(self, status: str, *, by: timedelta) -> datetime | None:
        """When the oldest of those was due that wait, or are in work, for longer than `by` since they were due.

        Each of the two has a partial index of its own: asked for together, the whole history would be read.
        """
        waiting = self.filter(status=status, not_before__lt=Now() - by, created_at__lt=Now() - by)
        return waiting.order_by("not_before").values_list("not_before", flat=True).first()


class Delivery(Leased):
    """One reminder, or the news of one infected file, to one recipient over one channel."""

    class Status(models.TextChoices):
        """Who moves a delivery out of each state.

        queued       work.claims.claim → leased, once `not_before` has come.
        leased       the run that holds it, in outcomes: → sent, → failed, → suppressed, → queued (later);
                     work.claims.rescue → queued, when the lease has run out, or → failed, when a worker was lost in
                     the last of its attempts, or the last of its unknown outcomes came of that.
        sent         nobody: the channel's server has accepted the message.
        failed       a person, by services.retry_deliveries → queued; outcomes.queue_again → queued, when it turns out
                     that everybody is refused.
        suppressed   planning.plan → queued, when it is wanted again; a person, by services.retry_deliveries.
        """

        QUEUED = "queued", gettext_lazy("Queued")
        LEASED = "leased", gettext_lazy("In work")
        SENT = "sent", gettext_lazy("Sent")
        FAILED = "failed", gettext_lazy("Failed")
        SUPPRESSED = "suppressed", gettext_lazy("Suppressed")

    reminder = models.ForeignKey(
        Reminder, on_delete=models.CASCADE, related_name="deliveries", null=True, blank=True, db_index=False
    )
    attachment = models.ForeignKey(
        Attachment, on_delete=models.DO_NOTHING, related_name="deliveries", null=True, blank=True, db_index=False,
        help_text="The infected file that this is about, where it is about no reminder.",
    )  # fmt: skip
    recipient = models.ForeignKey(User, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    channel = models.CharField(max_length=20, default="email")
    status = models.CharField(max_length=20, choices=Status, default=Status.QUEUED)
    event_id = models.UUIDField(default=uuid.uuid4, db_default=models.Func(function="gen_random_uuid"), editable=False)
    address = models.TextField(blank=True, db_default="", help_text="Where the last attempt went.")
    message_id = models.TextField(blank=True, db_default="", help_text="The same for every attempt.")
    content = models.JSONField(null=True, editable=False, help_text="What the last attempt said.")
    handing_over = models.BooleanField(db_default=False, editable=False, help_text="The message may be on the wire.")
    handed_over_at = models.DateTimeField(null=True, editable=False, help_text="When the last attempt began.")
    broke_at = models.DateTimeField(
        null=True, editable=False, help_text="When a connection last broke while it carried this message."
    )
    unknown_outcome = models.BooleanField(
        db_default=False, help_text="An attempt ended without an answer: the message may have arrived already."
    )
    unknown_outcomes = models.PositiveSmallIntegerField(
        db_default=0, default=0, editable=False, help_text="How many attempts ended so, since a person last retried."
    )
    refused_at = models.DateTimeField(
        null=True, editable=False, help_text="When the channel's server last refused this message."
    )
    sent_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["reminder", "recipient", "channel"], name="delivery_unique_reminder_recipient_channel"
            ),
            models.UniqueConstraint(
                fields=["attachment", "recipient", "channel"],
                name="delivery_unique_attachment_recipient_channel",
                condition=models.Q(attachment__isnull=False),
            ),
            models.CheckConstraint(
                condition=models.Q(reminder__isnull=False, attachment__isnull=True)
                | models.Q(reminder__isnull=True, attachment__isnull=False),
                name="delivery_about_one_thing",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["queued", "leased", "sent", "failed", "suppressed"]),
                name="delivery_status_known",
            ),
            models.CheckConstraint(condition=Leased.lease_matches_status(), name="delivery_lease_when_leased"),
            models.CheckConstraint(
                condition=models.Q(status="sent", sent_at__isnull=False)
                | (~models.Q(status="sent") & models.Q(sent_at__isnull=True)),
                name="delivery_sent_at_when_sent",
            ),
            models.CheckConstraint(
                condition=~models.Q(status__in=["failed", "suppressed"]) | ~models.Q(reason=""),
                name="delivery_end_says_why",
            ),
        ]
        indexes = [
            # work.claims.claim, wake.seconds_until_work, health.
            models.Index(fields=["not_before", "id"], name="delivery_queued", condition=models.Q(status="queued")),
            # work.claims.claim, from one recipient to the next.
            models.Index(
                fields=["recipient", "not_before", "id"], name="delivery_turn", condition=models.Q(status="queued")
            ),
            # work.claims.claim_alone.
            models.Index(
                fields=["not_before", "id"], name="delivery_alone", condition=models.Q(status="queued", alone=True)
            ),
            # work.claims.rescue, wake.seconds_until_work.
            models.Index(fields=["lease_until"], name="delivery_leased", condition=models.Q(status="leased")),
            # A person's list, newest first: DeliveryViewSet, the outbox.
            models.Index(fields=["recipient", "-id"], name="delivery_recipient"),
            # The admin's search for one message.
            models.Index(fields=["message_id"], name="delivery_message_id", condition=~models.Q(message_id="")),
            # What needs a person, in the admin and the metrics.
            models.Index(fields=["-id"], name="delivery_failed", condition=models.Q(status="failed")),
            # The admin's lists of those, which are few.
            models.Index(fields=["-id"], name="delivery_suppressed", condition=models.Q(status="suppressed")),
            # returning.fan_out_people.
            models.Index(
                fields=["recipient", "id"], name="delivery_unreached", condition=models.Q(reason__in=UNREACHABLE)
            ),
            models.Index(fields=["-id"], name="delivery_unknown", condition=models.Q(unknown_outcome=True)),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"

    @property
    def task(self) -> Task:
        """What it is about, by way of its reminder or its attachment."""
        about = self.reminder or self.attachment
        assert about is not None  # noqa: S101 (delivery_about_one_thing)
        return about.task

    @property
    def task_id(self) -> int:
        about = self.reminder or self.attachment
        assert about is not None  # noqa: S101 (as above)
        return about.task_id
