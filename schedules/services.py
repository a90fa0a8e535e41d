"""What people do with schedules, and what beat does about it."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import cast

from django.contrib.auth.models import User
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult

from schedules.models import RunRequest

PRUNE_BATCH = 5_000

TAKEN_FOR = timedelta(seconds=10)
"""A run that was taken so long ago and not published is tried again: its beat died, or the broker was away."""

WORTH_RUNNING = timedelta(hours=1)
"""What could not be published for so long is not what the person wants to happen now."""


def request_run(schedules: Iterable[PeriodicTask], *, by: User) -> int:
    """Ask for one run of each schedule's job, besides its ticks; beat publishes it within a second."""
    return len(RunRequest.objects.bulk_create([RunRequest(schedule=one, requested_by=by) for one in schedules]))


def publish_requests(publish: Callable[[PeriodicTask], None]) -> int:
    """Publish the runs that were asked for, until one fails; return how many were published.

    What failed stays taken for a while, so a row that cannot be read holds up nobody: the next call goes on behind it.
    While the broker is away this returns after one try, however many wait.

    Each is taken by one caller of many, and again if that one died before it said that the message was out. No
    transaction is open while it publishes, for beat's scheduler closes connections of its own accord.
    """
    published = 0
    while (request := take_request()) is not None:
        own = RunRequest.objects.filter(pk=request.pk)
        try:
            publish(request.schedule)
        except Exception as error:  # the broker's, or that of a schedule with arguments that cannot be read
            own.update(error=str(error))
            break
        own.update(published_at=Now(), error="")
        published += 1
    return published


def take_request() -> RunRequest | None:
    """The oldest run that was asked for and that nobody is publishing, now taken by the caller."""
    free = Q(taken_at=None) | Q(taken_at__lt=Now() - TAKEN_FOR)
    waiting = RunRequest.objects.filter(free, published_at=None, requested_at__gt=Now() - WORTH_RUNNING)
    for request in waiting.select_related("schedule").order_by("id"):
        if RunRequest.objects.filter(free, pk=request.pk, published_at=None).update(taken_at=Now()):
            return request
    return None


def next_run_at(schedule: PeriodicTask) -> datetime | None:
    """When beat will run it next, as django-celery-beat reckons; None while it is disabled or over."""
    if not schedule.enabled or (schedule.expires and schedule.expires < timezone.now()):
        return None
    last = schedule.last_run_at or schedule.date_changed
    if schedule.start_time and schedule.start_time > timezone.now():
        return cast("datetime", schedule.start_time)
    try:
        is_due, seconds = schedule.schedule.is_due(last)
    except Exception:  # a crontab without such a day, such as 31 February
        return None
    return timezone.now() + timedelta(seconds=0 if is_due else seconds)


def prune_results(*, older_than: timedelta) -> int:
    """Delete results of jobs that ended longer ago than that, a batch at a time."""
    pruned = 0
    while True:
        old = TaskResult.objects.filter(date_done__lt=timezone.now() - older_than).order_by("date_done")
        ids = list(old.values_list("pk", flat=True)[:PRUNE_BATCH])
        pruned += TaskResult.objects.filter(pk__in=ids).delete()[0]
        if len(ids) < PRUNE_BATCH:
            break
    RunRequest.objects.filter(requested_at__lt=timezone.now() - older_than).delete()
    return pruned
