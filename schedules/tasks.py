"""The jobs. Their names are public and never change."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from schedules import services


@shared_task(name="schedules.prune_results")
def prune_results() -> dict[str, int]:
    """Delete results of jobs that are older than RESULT_DAYS."""
    return {"results": services.prune_results(older_than=timedelta(days=settings.RESULT_DAYS))}


@shared_task(name="schedules.prune_runs")
def prune_runs() -> dict[str, int]:
    """Delete settled runs of schedules that are older than RUN_DAYS."""
    return {"runs": services.prune_runs(older_than=timedelta(days=settings.RUN_DAYS))}
