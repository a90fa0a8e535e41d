"""Whether the runs of schedules are taken by workers, looked at from the ledger."""

from datetime import timedelta

from django.db.models import Count, Min, Q
from django.db.models.functions import Now

from schedules.models import RunStatus, ScheduleRun
from schedules.runs import NOBODY_READS

UNTAKEN_FOR = timedelta(minutes=10)


def untaken() -> str:
    """A sentence if runs wait for a worker that does not come. Index: run_look."""
    is_held = Q(status=RunStatus.DUE, reason__startswith=NOBODY_READS)
    is_untaken = Q(status=RunStatus.PUBLISHED, scheduled_for__lt=Now() - UNTAKEN_FOR)
    waiting = ScheduleRun.objects.filter(is_held | is_untaken, look_at__isnull=False).aggregate(
        count=Count("pk"), schedules=Count("schedule", distinct=True), oldest=Min("scheduled_for")
    )
    if not waiting["count"]:
        return ""
    oldest = f"{waiting['oldest']:%Y-%m-%d %H:%M:%S} UTC"
    return f"no worker takes the runs of {waiting['schedules']} schedules: {waiting['count']} wait, since {oldest}"
