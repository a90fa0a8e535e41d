"""Files of tasks, and the work that is done on each before anybody may have it.

    Attachment ──▶ Scan, leased ──▶ Thumbnailing, leased ──▶ Thumbnail, one for each size
         │                                                        │
         └──────────── deleted, by whatever means ────────────────┴─trigger─▶ Erasure: a file that is to go

An attachment is what people see; the two stages are what workers claim (work/claims.py). Each stage is a row that was
written with its cause, so neither a worker that dies nor an emptied Redis loses any.
"""

from typing import Self

from django.contrib.auth.models import User
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy

from taskapp.models import Task
from work.models import Leased


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def owned_by(self, user: User) -> Self:
        """Of tasks that are theirs now, whoever has uploaded them."""
        return self.filter(owner_id=user.pk)

    def present(self) -> Self:
        """Neither deleted nor of a deleted task."""
        return self.filter(deleted_at=None, task__deleted_at=None)

    def stored(self) -> Self:
        """Those whose file takes room, be it that of a deleted task which can still be restored."""
        return self.filter(deleted_at=None)


class Attachment(models.Model):
    """A file of a task. A deleted one is a tombstone without a file; it goes with the history."""

    class State(models.TextChoices):
        """Who moves an attachment out of each state. Its file can be fetched in `clean` and `ready` alone.

        uploaded     scanning.begin → scanning, when a worker takes its scan.
        scanning     scanning.settle → clean, → ready, → infected, → unscannable; recovering.fail_lost → failed.
        clean        thumbnailing.settle and recovering.fail_lost → ready.
        ready        a person, by services.rescan → uploaded.
        infected     quarantined. An administrator, by services.release → ready, by services.rescan → uploaded.
        unscannable  quarantined, for nobody knows: as `infected`.
        failed       the attempts to scan it are spent. A person, by services.rescan → uploaded; an administrator,
                     by services.release → ready.
        """

        UPLOADED = "uploaded", gettext_lazy("Uploaded, waits for the scan")
        SCANNING = "scanning", gettext_lazy("Scanning")
        CLEAN = "clean", gettext_lazy("Clean, waits for thumbnails")
        READY = "ready", gettext_lazy("Ready")
        INFECTED = "infected", gettext_lazy("Infected, quarantined")
        UNSCANNABLE = "unscannable", gettext_lazy("Not scannable, quarantined")
        FAILED = "failed", gettext_lazy("Scan failed")

    OPEN = (State.CLEAN, State.READY)
    """The file may be fetched."""
    WAITING = (State.UPLOADED, State.SCANNING)
    """Nobody knows yet."""
    QUARANTINED = (State.INFECTED, State.UNSCANNABLE)

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="attachments", db_index=False)
    owner_id = models.IntegerField(
        db_default=0,
        default=0,
        editable=False,
        help_text="The task's owner, kept by a trigger, for an index of its own.",
    )
    name = models.CharField(max_length=255, help_text="As it was uploaded, made safe.")
    size = models.BigIntegerField(help_text="In bytes.")
    sha256 = models.CharField("SHA-256", max_length=64)
    content_type = models.CharField(max_length=100, help_text="What its bytes say it is.")
    declared_type = models.CharField(
        max_length=100, blank=True, help_text="What the uploader said; nothing relies on it."
    )
    key = models.CharField(max_length=100, editable=False, help_text="Where the storage has it.")
    state = models.CharField(max_length=20, choices=State, default=State.UPLOADED)
    reason = models.TextField(blank=True, db_default="", help_text="Why it is in the state it is in.")
    history = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), editable=False)
    is_untold = models.BooleanField(
        db_default=False, default=False, editable=False, help_text="Infected, and the owner was not told (reminders)."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="attachment_key_unique"),
            models.CheckConstraint(condition=models.Q(size__gte=0), name="attachment_size_not_negative"),
            models.CheckConstraint(
                condition=models.Q(
                    state__in=["uploaded", "scanning", "clean", "ready", "infected", "unscannable", "failed"]
                ),
                name="attachment_state_known",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["infected", "unscannable", "failed"]) | ~models.Q(reason=""),
                name="attachment_end_says_why",
            ),
        ]
        indexes = [
            # A task's attachments, newest first; how many there are, and how much room they take.
            models.Index(fields=["task", "-id"], name="attachment_task"),
            # A person's attachments, newest first, and how much room they take.
            models.Index(fields=["owner_id", "-id"], name="attachment_owner", condition=models.Q(deleted_at=None)),
            # metrics.gauges, and the admin's list of what is not over.
            models.Index(fields=["state", "-id"], name="attachment_not_ready", condition=~models.Q(state="ready")),
            # reminders.telling.tell.
            models.Index(
                fields=["id"],
                name="attachment_untold",
                condition=models.Q(is_untold=True),
            ),
            # pruning.prune.
            models.Index(
                fields=["deleted_at"], name="attachment_tombstone", condition=models.Q(deleted_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        return self.deleted_at is None and self.state in self.OPEN

    @property
    def is_waiting(self) -> bool:
        return self.state in self.WAITING

    @property
    def is_quarantined(self) -> bool:
        return self.state in self.QUARANTINED


class Stage(Leased):
    """One piece of work on one attachment."""

    class Status(models.TextChoices):
        """Who moves a stage out of each state.

        queued   work.claims.claim → leased, once `not_before` has come.
        leased   the run that holds it → done, → failed, → queued (later); work.claims.rescue → queued, when the lease
                 has run out, or → failed, when it was the last of its attempts that a worker was lost in.
        done     a person, by services.rescan → queued.
        failed   the same.
        """

        QUEUED = "queued", gettext_lazy("Queued")
        LEASED = "leased", gettext_lazy("In work")
        DONE = "done", gettext_lazy("Done")
        FAILED = "failed", gettext_lazy("Failed")

    # DO_NOTHING here and below: the database deletes them along, after the attachment, which is the order of the locks.
    attachment = models.OneToOneField(Attachment, on_delete=models.DO_NOTHING, related_name="%(class)s")
    status = models.CharField(max_length=20, choices=Status, default=Status.QUEUED)
    owner_id = models.IntegerField(
        editable=False, help_text="Whose turn it is: the task's owner when it was queued. No foreign key."
    )
    is_settled = models.BooleanField(
        db_default=False, default=False, editable=False, help_text="Failed, and its attachment says so."
    )
    began_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When the last attempt began.")
    seconds = models.FloatField(null=True, blank=True, editable=False, help_text="How long the last attempt took.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=["queued", "leased", "done", "failed"]), name="%(class)s_status_known"
            ),
            models.CheckConstraint(condition=Leased.lease_matches_status(), name="%(class)s_lease_when_leased"),
            models.CheckConstraint(
                condition=~models.Q(status="failed") | ~models.Q(reason=""), name="%(class)s_failure_says_why"
            ),
        ]
        indexes = [
            # work.claims.claim, wake.is_work_due.
            models.Index(fields=["not_before", "id"], name="%(class)s_queued", condition=models.Q(status="queued")),
            # work.claims.claim, from one owner to the next.
            models.Index(
                fields=["owner_id", "not_before", "id"], name="%(class)s_turn", condition=models.Q(status="queued")
            ),
            # work.claims.claim_alone.
            models.Index(
                fields=["not_before", "id"], name="%(class)s_alone", condition=models.Q(status="queued", alone=True)
            ),
            # work.claims.rescue, wake.is_work_due.
            models.Index(fields=["lease_until"], name="%(class)s_leased", condition=models.Q(status="leased")),
            # recovering.told.
            models.Index(fields=["id"], name="%(class)s_failed", condition=models.Q(status="failed", is_settled=False)),
        ]

    def __str__(self) -> str:
        return f"{self._meta.model_name} of attachment {self.attachment_id}"


class Scan(Stage):
    """Whether the file is clean."""

    class Verdict(models.TextChoices):
        NONE = "", "None yet"
        CLEAN = "clean", gettext_lazy("Clean")
        INFECTED = "infected", gettext_lazy("Infected")
        UNSCANNABLE = "unscannable", gettext_lazy("Cannot be scanned")
        SKIPPED = "skipped", gettext_lazy("Not scanned (SCAN_POLICY=off)")

    verdict = models.CharField(max_length=20, choices=Verdict, blank=True, db_default="", default="")
    found = models.TextField(blank=True, db_default="", help_text="What the scanner calls what it has found.")
    broke_at = models.DateTimeField(
        null=True, editable=False, help_text="When the scanner last broke off while it had this file."
    )
    scanner = models.TextField(blank=True, db_default="", help_text="Its version and that of its signatures.")

    class Meta(Stage.Meta):
        pass


class Thumbnailing(Stage):
    """Making the thumbnails of a clean picture or PDF. One that cannot be drawn has failed, and its file is ready."""

    class Meta(Stage.Meta):
        pass


class Thumbnail(models.Model):
    """A small picture of an attachment, drawn by us, without its metadata."""

    class Size(models.TextChoices):
        SMALL = "small", gettext_lazy("Small")
        LARGE = "large", gettext_lazy("Large")

    attachment = models.ForeignKey(Attachment, on_delete=models.DO_NOTHING, related_name="thumbnails", db_index=False)
    size = models.CharField(max_length=10, choices=Size)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    bytes = models.PositiveIntegerField()
    key = models.CharField(max_length=100, editable=False)

    class Meta:
        ordering = ["attachment", "-size"]
        constraints = [
            models.UniqueConstraint(fields=["attachment", "size"], name="thumbnail_unique_attachment_size"),
            models.UniqueConstraint(fields=["key"], name="thumbnail_key_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.size} thumbnail of attachment {self.attachment_id}"


class Erasure(models.Model):
    """A file that the storage is to lose: written before the file is, and taken back when something refers to it.

    So a file that nobody refers to, because a process died or a row was deleted by whatever means, goes.
    """

    key = models.CharField(max_length=100, primary_key=True)
    not_before = models.DateTimeField(db_default=Now())
    attempts = models.PositiveIntegerField(db_default=0, help_text="More than 0: it may be gone already.")
    reason = models.TextField(blank=True, db_default="", help_text="Why the last attempt failed.")

    class Meta:
        # erasing.erase, wake.is_work_due.
        indexes = [models.Index(fields=["not_before"], name="erasure_due")]

    def __str__(self) -> str:
        return self.key
