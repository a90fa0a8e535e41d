"""The jobs. Their names are public and never change."""

from datetime import timedelta
from typing import Any

from celery import Task, shared_task
from django.conf import settings

from attachments import processing, pruning
from work.jobs import worth_keeping


@shared_task(bind=True, name="attachments.process")
def process(self: "Task[Any, Any]") -> dict[str, int]:
    """Scan what was uploaded, draw thumbnails, erase what is to go. Safe at any time and twice at once."""
    return worth_keeping(self, processing.process())


@shared_task(bind=True, name="attachments.prune")
def prune(self: "Task[Any, Any]") -> dict[str, int]:
    """Erase the files of tasks that were deleted for good, and the rows of what was deleted long ago."""
    history, tombstones = timedelta(days=settings.HISTORY_DAYS), timedelta(days=settings.TOMBSTONE_DAYS)
    return worth_keeping(self, pruning.prune(history=history, tombstones=tombstones))
