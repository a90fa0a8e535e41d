"""Schedules are django-celery-beat's PeriodicTask. What it lacks stands here."""

from django.contrib.auth.models import User
from django.db import models
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask


class RunRequest(models.Model):
    """ "Run this schedule's job now": a row, so that no request waits for the broker. Beat publishes it."""

    schedule = models.ForeignKey(PeriodicTask, on_delete=models.CASCADE, related_name="run_requests")
    requested_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    requested_at = models.DateTimeField(db_default=Now())
    taken_at = models.DateTimeField(null=True, help_text="When a beat began to publish it.")
    error = models.TextField(blank=True, db_default="", help_text="Why it could not be published so far.")
    published_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # services.publish_requests, which looks twice a second.
            models.Index(fields=["id"], name="run_request_waiting", condition=models.Q(published_at=None)),
        ]

    def __str__(self) -> str:
        return f"run {self.schedule} now"
