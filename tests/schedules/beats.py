"""Beat's loop in this process, schedules for it, and a worker that takes what it publishes."""

import json
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from django.db import connection
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from redis import Redis

from config.celery import app
from schedules.models import ScheduleRun, ScheduleState
from schedules.scheduler import LedgerScheduler

JOB = "schedules.prune_runs"


class Beat:
    """look() is one turn of its loop, at everything."""

    def __init__(self) -> None:
        self.scheduler = LedgerScheduler(app=app)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.scheduler.close()

    def look(self) -> float:
        self.scheduler.wake_at = self.scheduler.recheck_at = self.scheduler.publish_at = 0.0
        return self.scheduler.tick()


def make_schedule(name: str = "mine", **fields: Any) -> PeriodicTask:
    """Every hour, unless something else is said: `every=5` seconds, `hour="9"`, …"""
    if "every" in fields:
        fields["interval"] = IntervalSchedule.objects.create(every=fields.pop("every"), period="seconds")
    elif not fields.keys() & {"interval", "crontab", "clocked", "solar"}:
        fields["crontab"] = CrontabSchedule.objects.create(minute="0", hour=fields.pop("hour", "*"), timezone="UTC")
    return PeriodicTask.objects.create(name=name, task=fields.pop("task", JOB), **fields)


def fall_due(*schedules: PeriodicTask, ago: float = 0.1) -> None:
    """As if the next tick of each had come so many seconds ago, and nobody had looked since."""
    moment = timezone.now() - timedelta(seconds=ago)
    for schedule in schedules:
        every = schedule.interval.schedule.run_every
        ScheduleState.objects.filter(schedule=schedule).update(
            phase=moment, last_at=moment - every, next_at=moment, look_at=moment
        )


def messages(broker: "Redis[bytes]", queue: str = "celery") -> list[dict[str, Any]]:
    """The messages that wait, the oldest first."""
    return [json.loads(message) for message in reversed(broker.lrange(queue, 0, -1))]


def statuses(schedule: PeriodicTask) -> list[str]:
    """Of its runs, the oldest first."""
    return list(
        ScheduleRun.objects.filter(schedule=schedule).order_by("scheduled_for").values_list("status", flat=True)
    )


def lapse(**filters: Any) -> None:
    """Let the time until beat looks at open runs again be over."""
    with connection.cursor() as cursor:
        ids = list(ScheduleRun.objects.filter(look_at__isnull=False, **filters).values_list("pk", flat=True))
        cursor.execute(
            "UPDATE schedules_schedulerun SET look_at = clock_timestamp() - interval '1 ms' WHERE id = ANY(%s)", [ids]
        )
