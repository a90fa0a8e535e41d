"""Work that is claimed under a lease, the bell that says there is some, and the breaker that parks it."""

from django.db import models
from django.db.models.functions import Now


class Leased(models.Model):
    """A row that one worker at a time may work on, under a lease that expires.

    The states that the lease needs are three; a subclass adds those in which the work ends otherwise:

    queued   waiting until `not_before`.   Moved on by claims.claim → leased.
    leased   one run has it until `lease_until`, and proves it with `lease_token`.
             Moved on by the run itself, through claims.release → an end, or → queued (later, or handed back);
             by claims.rescue → queued, when the lease has run out.
    failed   its attempts are spent.       Moved on by a person.
    """

    QUEUED = "queued"
    LEASED = "leased"
    FAILED = "failed"

    status = models.CharField(max_length=20, default=QUEUED)
    not_before = models.DateTimeField(db_default=Now(), help_text="The earliest moment of the next attempt.")
    attempts = models.PositiveSmallIntegerField(
        db_default=0, help_text="Answers that were about this row and final for the attempt."
    )
    reason = models.TextField(blank=True, db_default="", help_text="Why the row is in the state it is in.")
    alone = models.BooleanField(
        db_default=False, editable=False, help_text="A run that had it was lost, so it takes no others with it."
    )
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    lease_worker = models.TextField(blank=True, db_default="", editable=False)
    history = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), editable=False)

    class Meta:
        abstract = True

    @staticmethod
    def lease_matches_status() -> models.Q:
        """For a CHECK: a token and an end exactly while leased."""
        return models.Q(status=Leased.LEASED, lease_token__isnull=False, lease_until__isnull=False) | (
            ~models.Q(status=Leased.LEASED) & models.Q(lease_token__isnull=True, lease_until__isnull=True)
        )


class Bell(models.Model):
    """When a job was last rung for, and when a worker last answered. See work/bell.py."""

    name = models.TextField(primary_key=True)
    rung_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class Breaker(models.Model):
    """How a transport does: after three failures nothing is sent through it until `open_until`. See work/breaker.py."""

    name = models.TextField(primary_key=True)
    failures = models.PositiveIntegerField(db_default=0, help_text="Connections in a row that carried nothing.")
    open_until = models.DateTimeField(null=True)
    reason = models.TextField(blank=True, db_default="")
    while_carrying = models.BooleanField(db_default=False, help_text="One of them broke with something on it.")
    accepted_at = models.DateTimeField(null=True, help_text="When a connection last carried something; see QUIET.")
    broke_at = models.DateTimeField(null=True, help_text="When a connection last broke with something on it.")
    refused = models.JSONField(
        default=list, db_default=models.Value([], models.JSONField()),
        help_text="The numbers of recipients who were refused since something was last accepted; the first few.",
    )  # fmt: skip
    refusals_began_at = models.DateTimeField(null=True, help_text="When the first of them was refused.")

    def __str__(self) -> str:
        return self.name
