"""Many schedules on a stand, and somebody who takes their messages as fast as they come."""

import json
import time
from threading import Event, Thread
from typing import Any

import psycopg

from benchmarks.stand import OURS, Stand
from tests.chaos.processes import resident_bytes

# Half have an interval of a minute, whose phases are spread evenly, and half run once a day.
MANY = """
    INSERT INTO django_celery_beat_periodictask
        (name, task, args, kwargs, headers, enabled, total_run_count, one_off, description, date_changed,
         interval_id, crontab_id, last_run_at)
    SELECT 'many-' || n, 'benchmarks.note', '["many"]', '{}', '{}', true, 1, false, '', clock_timestamp(),
           CASE WHEN n %% 2 = 0 THEN %(interval)s::integer END, CASE WHEN n %% 2 = 1 THEN crontab.id END,
           %(begin)s::timestamptz - %(every)s * interval '1 second' * (1 - n::float / %(count)s)
    FROM generate_series(1, %(count)s) AS n
    LEFT JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM django_celery_beat_crontabschedule)
        AS crontab ON crontab.number = n %% 1440
"""
CRONTABS = """
    INSERT INTO django_celery_beat_crontabschedule (minute, hour, day_of_month, month_of_year, day_of_week, timezone)
    SELECT n % 60, n / 60, '*', '*', '*', 'UTC' FROM generate_series(0, 1439) AS n
"""

# What a worker does to a run, for many of them.
TAKE = """
    UPDATE schedules_schedulerun
    SET status = 'finished', starts = starts + 1, started_at = clock_timestamp(), finished_at = clock_timestamp(),
        look_at = NULL, published_at = coalesce(published_at, clock_timestamp())
    WHERE job_id = ANY(%s::uuid[]) AND status IN ('due', 'published')
"""


def add_many(stand: Stand, count: int, *, every: int, begin: Any) -> None:
    """The intervals are due from `begin` on."""
    stand.sql(CRONTABS)
    interval = stand.interval(every)
    stand.sql(MANY, {"count": count, "every": every, "interval": interval, "begin": begin})
    stand.sql("ANALYZE")


class Taker(Thread):
    """Takes every message and, in batches, the run that it is about. `arrivals` are (moment, schedule, id)."""

    def __init__(self, stand: Stand) -> None:
        super().__init__(name="taker", daemon=True)
        self.arrivals: list[tuple[float, str, str]] = []
        self._stand = stand
        self._over = Event()

    def run(self) -> None:
        with self._stand.broker() as broker, self._stand.connect() as database:
            while not self._over.is_set():
                messages = broker.rpop("celery", 500) or []
                now = time.time()
                headers = [json.loads(message)["headers"] for message in messages]
                self.arrivals += [(now, header["periodic_task_name"], header["id"]) for header in headers]
                self._take(database, [header["id"] for header in headers if "schedule_run" in header])
                if len(messages) < 50:
                    self._over.wait(0.01)

    def _take(self, database: "psycopg.Connection[Any]", jobs: list[str]) -> None:
        if jobs and self._stand.scheduler == OURS:
            database.execute(TAKE, (jobs,))

    def stop(self) -> None:
        self._over.set()
        self.join()

    def of(self, schedule: str) -> list[float]:
        return [at for at, name, _ in list(self.arrivals) if name == schedule]


class Beat:
    """What a stand's beat uses, from now on."""

    def __init__(self, stand: Stand) -> None:
        self._stand, self._began = stand, time.monotonic()
        self._cpu_before = stand.cpu_seconds("beat")

    @property
    def cpu_seconds(self) -> float:
        return self._stand.cpu_seconds("beat") - self._cpu_before

    @property
    def cpu_share(self) -> float:
        return self.cpu_seconds / (time.monotonic() - self._began)

    @property
    def megabytes(self) -> float:
        return resident_bytes(self._stand.processes["beat"].pid) / 1e6
