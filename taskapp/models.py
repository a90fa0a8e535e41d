"""A task is a person's to-do, due at an instant that was meant in a time zone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Self, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower, Now
from django.urls import reverse
from django.utils.translation import gettext_lazy

from accounts.validators import (
    validate_no_control_characters,
    validate_no_control_characters_in_lines,
    validate_timezone,
)
from taskapp.dates import EARLIEST_DUE, LATEST_DUE, settled_local

DUE_LOCAL = r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{6})?Z?)?$"


def default_timezone() -> str:
    return str(settings.TIME_ZONE)


class Tag(models.Model):
    """A word that an owner files tasks under; nobody else sees it."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=50, validators=[validate_no_control_characters])

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint("owner", Lower("name"), name="tag_unique_owner_name"),
            models.CheckConstraint(condition=~models.Q(name=""), name="tag_name_not_empty"),
        ]

    def __str__(self) -> str:
        return self.name


class TagNames(models.Func):
    """The names of a task's tags, in the statement that reads the task; to be given the task's id.

    Written out, since the ORM takes longer for its own form than PostgreSQL to answer. Index: the pair's unique one.
    """

    output_field = ArrayField(models.CharField())
    template = """ARRAY(
        SELECT tag.name FROM taskapp_task_tags AS filed JOIN taskapp_tag AS tag ON tag.id = filed.tag_id
        WHERE filed.task_id = %(expressions)s ORDER BY tag.name
    )"""


class TaskQuerySet(models.QuerySet["Task"]):
    def owned_by(self, user: User) -> Self:
        return self.filter(owner=user)

    def with_tag_names(self) -> Self:
        """Each task with `tag_names`, so that nothing more is asked for to show it."""
        return self.annotate(tag_names=TagNames("pk"))

    def present(self) -> Self:
        """Not deleted."""
        return self.filter(deleted_at=None)

    def deleted(self) -> Self:
        return self.exclude(deleted_at=None)

    def restorable(self) -> Self:
        """Deleted, and not for so long that what belongs to them may have gone."""
        return self.filter(deleted_at__gte=Now() - timedelta(days=settings.TOMBSTONE_DAYS))

    def open(self) -> Self:
        """Present, and still to be done."""
        return self.present().exclude(status=Task.Status.DONE)


class DueLocalField(models.CharField):  # type: ignore[type-arg]
    """What was meant by a due date (taskapp/dates.py), kept in step with the instant whenever a task is saved.

    Who updates the instant by SQL leaves it empty (a trigger sees to that), and `services.fill_due_local` fills it in.
    """

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        task = cast(Task, model_instance)
        local = ""
        if isinstance(task.due_at, datetime) and task.due_at.tzinfo:  # not an expression, and not a text
            local = settled_local(task.due_local, task.due_at, task.timezone, all_day=task.all_day)
        task.due_local = local
        return local


class Task(models.Model):
    """A person's to-do.

    What was meant by its due date is `due_local` in `timezone`; `due_at` is the instant that follows from it.
    `version`, `updated_at` and `completed_at` are kept by a trigger, so that bulk updates and raw SQL keep them too.
    A deleted task is a tombstone: `deleted_at` is set, nobody meets it any more, and it can be restored until the
    clean-up purges it.
    """

    class Status(models.TextChoices):
        """A person moves a task between these, in any direction."""

        TODO = "todo", gettext_lazy("To do")
        IN_PROGRESS = "in_progress", gettext_lazy("In progress")
        BLOCKED = "blocked", gettext_lazy("Blocked")
        DONE = "done", gettext_lazy("Done")

    class Priority(models.TextChoices):
        LOW = "low", gettext_lazy("Low")
        MEDIUM = "medium", gettext_lazy("Medium")
        HIGH = "high", gettext_lazy("High")
        CRITICAL = "critical", gettext_lazy("Critical")

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tasks")
    title = models.CharField(max_length=500, validators=[validate_no_control_characters])
    description = models.TextField(
        blank=True, default="", db_default="", max_length=50_000, validators=[validate_no_control_characters_in_lines]
    )
    status = models.CharField(max_length=20, choices=Status, default=Status.TODO, db_default=Status.TODO)
    priority = models.CharField(max_length=20, choices=Priority, default=Priority.MEDIUM, db_default=Priority.MEDIUM)
    tags = models.ManyToManyField(Tag, related_name="tasks", blank=True)

    due_at = models.DateTimeField(null=True, blank=True)
    due_local = DueLocalField(
        "due, as meant", max_length=40, blank=True, default="", db_default="", editable=False,
        help_text="The wall time, or the date of an all-day task, in the task's zone.",
    )  # fmt: skip
    timezone = models.CharField(
        max_length=64, default=default_timezone, db_default="UTC", validators=[validate_timezone],
        help_text="The zone in which the due date was meant.",
    )  # fmt: skip
    all_day = models.BooleanField(
        default=False, db_default=False, help_text="Due by the end (24:00) of that local day."
    )

    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    tag_names: Sequence[str]
    """Of a task that was just made, or read by `with_tag_names`; others have none."""

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(title=""), name="task_title_not_empty"),
            models.CheckConstraint(
                condition=models.Q(status__in=["todo", "in_progress", "blocked", "done"]), name="task_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(priority__in=["low", "medium", "high", "critical"]), name="task_priority_known"
            ),
            models.CheckConstraint(
                condition=models.Q(due_at=None) | models.Q(due_at__gte=EARLIEST_DUE, due_at__lt=LATEST_DUE),
                name="task_due_at_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(due_local="") | models.Q(due_at__isnull=False, due_local__regex=DUE_LOCAL),
                name="task_due_local_form",
            ),
            models.CheckConstraint(
                condition=models.Q(status="done", completed_at__isnull=False)
                | (~models.Q(status="done") & models.Q(completed_at__isnull=True)),
                name="task_completed_at_when_done",
            ),
        ]
        indexes = [
            # A person's list, newest first: TaskViewSet.
            models.Index(fields=["owner", "-id"], name="task_owner", condition=models.Q(deleted_at=None)),
            # A person's list by due date: TaskViewSet, ?ordering=due_at and due_before/due_after.
            models.Index(fields=["owner", "due_at"], name="task_owner_due", condition=models.Q(deleted_at=None)),
            # services.fill_due_local.
            models.Index(
                fields=["id"], name="task_without_due_local", condition=models.Q(due_local="", due_at__isnull=False)
            ),
            # services.purge_tombstones.
            models.Index(fields=["deleted_at"], name="task_tombstone", condition=~models.Q(deleted_at=None)),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("task-page", args=[self.pk])

    def _do_insert(
        self, manager: Any, using: str, fields: Any, returning_fields: Any, raw: bool
    ) -> list[tuple[Any, ...]]:
        """Learn from the INSERT itself what the database has made of the row, as Django does from 6.0 on."""
        (row,) = super()._do_insert(manager, using, fields, self._meta.concrete_fields, raw)  # type: ignore[misc]
        values = dict(zip(self._meta.concrete_fields, row, strict=True))
        for field, value in values.items():
            setattr(self, field.attname, value)
        return [tuple(values[field] for field in returning_fields)]

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None


class TimeZoneRules(models.Model):
    """The version of the time zone rules by which due dates were last reckoned. One row."""

    version = models.CharField(max_length=32)
    applied_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="time_zone_rules_one_row")]

    def __str__(self) -> str:
        return self.version


class IdempotencyKey(models.Model):
    """The task that a client's `Idempotency-Key` made, so that a retried POST finds it instead of making another."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the request's content.")
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="+", null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="idempotency_key_unique")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]  # services.prune_idempotency_keys

    def __str__(self) -> str:
        return self.key
