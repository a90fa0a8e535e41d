"""What people do with schedules, and what is kept of it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult

from schedules.models import Policy, ScheduleRun
from schedules.outlook import outlooks
from schedules.statements import fetch

PRUNE_BATCH = 5_000

# A run of its own, whatever else is open; none where there is one for that microsecond, or with that key.
REQUEST = """
    INSERT INTO schedules_schedulerun (schedule_id, scheduled_for, kind, status, requested_by_id, key, job_id, look_at)
    SELECT schedule_id, clock_timestamp() + place * interval '1 microsecond', 'request', 'due', %(by)s, %(key)s,
           gen_random_uuid(), clock_timestamp()
    FROM unnest(%(ids)s::integer[]) WITH ORDINALITY AS wanted (schedule_id, place)
    ON CONFLICT DO NOTHING
    RETURNING id, schedule_id
"""


def request_run(schedules: Iterable[PeriodicTask], *, by: User, key: str | None = None) -> list[ScheduleRun]:
    """Ask for one run of each schedule's job, besides its ticks; beat publishes it within a second.

    A second request for the same schedule with the same key asks for nothing new: it returns the first one's run.
    """
    wanted = Counter(schedule.pk for schedule in schedules)
    found: set[int] = set()
    while wanted:
        made = fetch(REQUEST, {"ids": list(wanted.elements()), "by": by.pk, "key": key})
        if key:
            made = list(ScheduleRun.objects.filter(schedule__in=wanted, key=key).values_list("pk", "schedule"))
        found |= {pk for pk, _ in made}
        wanted -= Counter(schedule_id for _, schedule_id in made)  # what is left met another of the same microsecond
    return list(ScheduleRun.objects.filter(pk__in=found).order_by("pk"))


def pause(schedule: PeriodicTask, *, until: datetime) -> None:
    """Leave out the ticks until then."""
    pause_all([schedule], until=until)


def pause_all(schedules: Iterable[PeriodicTask], *, until: datetime) -> int:
    return _set_policies([Policy(schedule=schedule, paused_until=until) for schedule in schedules], "paused_until")


def resume(schedule: PeriodicTask) -> None:
    resume_all([schedule])


def resume_all(schedules: Iterable[PeriodicTask]) -> int:
    """Return how many were paused."""
    return Policy.objects.filter(schedule__in=list(schedules)).exclude(paused_until=None).update(paused_until=None)


def skip_next(schedule: PeriodicTask) -> datetime | None:
    """Leave out its next tick; return which that is. A second call while it lies ahead changes nothing."""
    return skip_next_of([schedule]).get(schedule.pk)


def skip_next_of(schedules: Iterable[PeriodicTask]) -> dict[int, datetime]:
    """Leave out the next tick of each; return which those are, without the schedules that have none."""
    skipped = {
        pk: found[0]
        for pk, outlook in outlooks(schedule.pk for schedule in schedules).items()
        if (found := outlook.next_runs(1, is_skip_counted=False))
    }
    _set_policies([Policy(schedule_id=pk, skip_at=moment) for pk, moment in skipped.items()], "skip_at")
    return skipped


def _set_policies(policies: list[Policy], field: str) -> int:
    """One field; the others stay as they are, or are the defaults."""
    Policy.objects.bulk_create(policies, update_conflicts=True, unique_fields=["schedule"], update_fields=[field])
    return len(policies)


def next_run_at(schedule: PeriodicTask) -> datetime | None:
    """When it ticks next; None while it is disabled, broken or over."""
    found = next_runs(schedule, count=1)
    return found[0] if found else None


def next_runs(schedule: PeriodicTask, *, count: int, is_skip_counted: bool = True) -> list[datetime]:
    """The next moments at which its job runs, as far as its definition says."""
    outlook = outlooks([schedule.pk]).get(schedule.pk)
    return outlook.next_runs(count, is_skip_counted=is_skip_counted) if outlook else []


def prune_results(*, older_than: timedelta) -> int:
    """Delete results of jobs that ended longer ago than that, a batch at a time."""
    pruned = 0
    while True:
        old = TaskResult.objects.filter(date_done__lt=timezone.now() - older_than).order_by("date_done")
        ids = list(old.values_list("pk", flat=True)[:PRUNE_BATCH])
        pruned += TaskResult.objects.filter(pk__in=ids).delete()[0]
        if len(ids) < PRUNE_BATCH:
            return pruned


def prune_runs(*, older_than: timedelta) -> int:
    """Delete settled runs whose moment is longer ago than that, a batch at a time."""
    pruned = 0
    while True:
        old = ScheduleRun.objects.filter(scheduled_for__lt=timezone.now() - older_than, look_at=None)
        ids = list(old.order_by("scheduled_for").values_list("pk", flat=True)[:PRUNE_BATCH])
        pruned += ScheduleRun.objects.filter(pk__in=ids).delete()[0]
        if len(ids) < PRUNE_BATCH:
            return pruned
