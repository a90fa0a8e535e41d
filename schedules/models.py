"""Schedules are django-celery-beat's PeriodicTask. What it lacks stands here.

Policy is what an administrator decides, ScheduleState is where beat stands, ScheduleRun is the ledger of ticks. They
are rows of their own, since whoever saves a PeriodicTask writes back all of it, however old his copy is.

The foreign keys are made by the migration, so that PostgreSQL itself deletes along them.
"""

from datetime import timedelta
from uuid import uuid4

from django.contrib.auth.models import User
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask

WINDOW = timedelta(days=7)
LONGEST_WINDOW = timedelta(days=3660)


class Policy(models.Model):
    """What an administrator decides about a schedule, beyond what django-celery-beat asks. No row: the defaults."""

    class CatchUp(models.TextChoices):
        ONCE = "once", "run once for all of them"
        ALL = "all", "run each of them"
        SKIP = "skip", "leave them out"

    class Overlap(models.TextChoices):
        COALESCE = "coalesce", "one run for both"
        QUEUE = "queue", "run both"
        SKIP = "skip", "leave it out until the run before has ended"

    schedule = models.OneToOneField(
        PeriodicTask, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="policy"
    )
    catch_up = models.CharField(
        "ticks that were missed", max_length=8, choices=CatchUp, default=CatchUp.ONCE, db_default=CatchUp.ONCE,
        help_text="Because no beat was running, or the broker was away.",
    )  # fmt: skip
    window = models.DurationField(
        "for at most", default=WINDOW, db_default=WINDOW,
        validators=[
            MinValueValidator(timedelta(0)),
            MaxValueValidator(LONGEST_WINDOW, f"Give at most {LONGEST_WINDOW.days} days."),
        ],
        help_text="[days] hours:minutes:seconds. What was missed longer ago is left out.",
    )  # fmt: skip
    overlap = models.CharField(
        "a tick while the run before waits for a worker",
        max_length=8, choices=Overlap, default=Overlap.COALESCE, db_default=Overlap.COALESCE,
    )  # fmt: skip
    runs_again = models.BooleanField(
        "run again when its worker has died", default=True, db_default=True, help_text="Up to three starts in all."
    )
    paused_until = models.DateTimeField(null=True, blank=True, help_text="Ticks until then are left out.")
    skip_at = models.DateTimeField(
        "leave out the tick of", null=True, blank=True, help_text="One moment of the schedule; the others stand."
    )

    class Meta:
        verbose_name = "policy"
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return f"policy of {self.schedule_id}"


class ScheduleState(models.Model):
    """Where beat stands with a schedule. Written by beat alone (changes.py, ledger.py), reckoned by planning.py."""

    schedule = models.OneToOneField(
        PeriodicTask, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="state"
    )
    seen = models.TextField(db_default="", help_text="Digest of what the schedule said when it was looked at.")
    timing = models.TextField(db_default="", help_text="What its moments follow from.")
    phase = models.DateTimeField(null=True, help_text="One of the moments of an interval.")
    last_at = models.DateTimeField(null=True, help_text="What lies before is accounted for.")
    next_at = models.DateTimeField(null=True, help_text="Its next moment.")
    look_at = models.DateTimeField(null=True, help_text="When beat looks at it again; null: when it is edited.")
    changed_at = models.DateTimeField(null=True, help_text="When it was edited, unless that has been looked at.")
    resumed_at = models.DateTimeField(null=True, help_text="When it was last enabled, unless that has been looked at.")
    is_resting = models.BooleanField(db_default=True, help_text="Disabled, broken or over when it was looked at.")
    has_fired = models.BooleanField(db_default=False, help_text="It is to run once, and has.")
    problem = models.TextField(db_default="", help_text="Why it cannot run.")
    ran_at = models.DateTimeField(null=True)
    runs = models.PositiveIntegerField(db_default=0)

    class Meta:
        indexes = [
            # ledger.CLAIM_DUE, which looks twice a second and oftener.
            models.Index(fields=["look_at"], name="schedule_look", condition=models.Q(look_at__isnull=False)),
            # ledger.CLAIM_EDITED
            models.Index(fields=["changed_at"], name="schedule_changed", condition=models.Q(changed_at__isnull=False)),
            # changes.BROKEN, at the start of beat.
            models.Index(fields=["schedule"], name="schedule_broken", condition=~models.Q(problem="")),
        ]

    def __str__(self) -> str:
        return f"state of {self.schedule_id}"


class ScheduleChange(models.Model):
    """ "Look at this schedule again": appended by triggers, in the transaction that changed it, whoever that was.

    Rows here lock nobody: an editor's transaction and beat's never wait for each other.
    """

    schedule_id = models.IntegerField()
    at = models.DateTimeField(db_default=models.Func(function="clock_timestamp"))
    is_resumed = models.BooleanField(db_default=False, help_text="It was disabled before, and is not now.")

    def __str__(self) -> str:
        return f"schedule {self.schedule_id} changed"


class RunKind(models.TextChoices):
    TICK = "tick"
    REQUEST = "request"


class RunStatus(models.TextChoices):
    DUE = "due"  # beat publishes it; or gives it up: missed, skipped
    PUBLISHED = "published"  # a worker takes it: started; beat, when the message is lost: published again, missed
    STARTED = "started"  # its worker: finished, failed; beat, when the worker died: due, failed
    FINISHED = "finished"
    FAILED = "failed"
    MERGED = "merged"  # another run stands for it
    SKIPPED = "skipped"  # somebody wanted that
    MISSED = "missed"  # it could not run in time
    UNOBSERVED = "unobserved"  # published for workers that are not ours; if one is, after all: started


class ScheduleRun(models.Model):
    """One tick of a schedule, or one run that a person asked for: what was expected, and what came of it."""

    schedule = models.ForeignKey(
        PeriodicTask, on_delete=models.DO_NOTHING, db_constraint=False, related_name="runs", db_index=False
    )
    scheduled_for = models.DateTimeField(help_text="The moment of the tick, or of the request.")
    kind = models.CharField(max_length=7, choices=RunKind, db_default=RunKind.TICK)
    status = models.CharField(max_length=10, choices=RunStatus, db_default=RunStatus.DUE)
    reason = models.TextField(db_default="", blank=True, help_text="Why it is as it is.")
    ticks = models.PositiveIntegerField(db_default=1, help_text="How many ticks it stands for.")
    since = models.DateTimeField(null=True, help_text="The first of them.")
    requested_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    key = models.CharField(  # noqa: DJ001 (null: there is none, and none is like another)
        max_length=255, null=True, help_text="A second request with the same key is the first."
    )

    job_id = models.UUIDField(default=uuid4, unique=True, help_text="Of the message, and of the job's result.")
    look_at = models.DateTimeField(null=True, help_text="When beat looks at it again. Null: it is settled.")
    created_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(null=True)
    publishes = models.PositiveIntegerField(db_default=0, help_text="How often it was tried.")
    started_at = models.DateTimeField(null=True)
    starts = models.PositiveIntegerField(db_default=0)
    worker = models.TextField(db_default="", blank=True)
    is_doubted = models.BooleanField(db_default=False, help_text="Its worker has not been heard of in time.")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "run"
        ordering = ["-scheduled_for", "-id"]
        constraints = [
            # The ledger: any number of beats make one row of a tick.
            models.UniqueConstraint(fields=["schedule", "scheduled_for"], name="run_once_per_tick"),
            models.UniqueConstraint(
                fields=["schedule", "key"], name="run_once_per_key", condition=models.Q(key__isnull=False)
            ),
            # Whoever is looked at again is one of these, and the other way round.
            models.CheckConstraint(
                condition=models.Q(status__in=["due", "published", "started"], look_at__isnull=False)
                | (~models.Q(status__in=["due", "published", "started"]) & models.Q(look_at__isnull=True)),
                name="run_looked_at_while_open",
            ),
            models.CheckConstraint(
                condition=~models.Q(status__in=["started", "finished"]) | models.Q(started_at__isnull=False),
                name="run_started_at",
            ),
        ]
        indexes = [
            # runs.CLAIM, which looks twice a second.
            models.Index(fields=["look_at"], name="run_look", condition=models.Q(look_at__isnull=False)),
            # ledger.READ counts what a schedule has open.
            models.Index(fields=["schedule", "status"], name="run_open", condition=models.Q(look_at__isnull=False)),
            # services.prune_runs
            models.Index(fields=["scheduled_for"], name="run_age"),
        ]

    def __str__(self) -> str:
        return f"run of {self.schedule_id} for {self.scheduled_for:%Y-%m-%d %H:%M:%S%z}"
