"""What one scheduler is measured on: servers, beats and workers of its own (benchmarks/servers.py).

A stand may have a clock of its own, which libfaketime shows to PostgreSQL, beat and worker; `set_clock` moves it.
"""

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks.servers import Servers, pause
from tests.chaos.fleet import FAKETIME
from tests.e2e.service import CELERY

STOCK, OURS = "stock", "ours"
SCHEDULERS = {
    STOCK: "django_celery_beat.schedulers:DatabaseScheduler",
    OURS: "schedules.scheduler:LedgerScheduler",
}

# As django-celery-beat's own forms do it, with the moment by which the stock scheduler sees that there is an edit.
ADD = """
    INSERT INTO django_celery_beat_periodictask
        (name, task, args, kwargs, headers, enabled, total_run_count, one_off, description, date_changed,
         interval_id, crontab_id, clocked_id)
    VALUES (%(name)s, 'benchmarks.note', %(args)s, '{}', '{}', true, 0, %(clocked)s::integer IS NOT NULL, '',
            clock_timestamp(), %(interval)s, %(crontab)s, %(clocked)s)
"""
TELL_STOCK = """
    INSERT INTO django_celery_beat_periodictasks (ident, last_update) VALUES (1, clock_timestamp())
    ON CONFLICT (ident) DO UPDATE SET last_update = clock_timestamp()
"""
INTERVAL = "INSERT INTO django_celery_beat_intervalschedule (every, period) VALUES (%s, 'seconds') RETURNING id"
CLOCKED = "INSERT INTO django_celery_beat_clockedschedule (clocked_time) VALUES (%s) RETURNING id"
CRONTAB = """
    INSERT INTO django_celery_beat_crontabschedule (minute, hour, day_of_month, month_of_year, day_of_week, timezone)
    VALUES (%s, %s, '*', '*', '*', %s) RETURNING id
"""


@dataclass(frozen=True)
class Note:
    """A start of the job. `at` is in seconds of Unix time, on the stand's clock."""

    at: float
    schedule: str
    job: str

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


class Stand(Servers):
    """What one scheduler is measured on. Beats and workers are started by name, such as "beat#1"."""

    def __init__(self, directory: Path, scheduler: str, *, template: Path | None, own_clock: datetime | None = None):
        super().__init__(directory, template=template)
        self.scheduler = scheduler
        self.beat_options: list[str] = []
        self.clock: dict[str, str] = {}
        if own_clock:
            self.beat_options = ["--max-interval=1"]  # else the stock one sleeps up to 5 s while the clock jumps
            self.set_clock(own_clock)
            self.clock = {
                "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(directory / "clock"),
                "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            }  # fmt: skip

    def start_server(self, name: str, **environ: str) -> None:
        """PostgreSQL sees the stand's clock; Valkey needs none."""
        super().start_server(name, **(self.clock if name == "postgres" else {}), **environ)

    def start(self, name: str) -> None:
        """ "beat", "worker", or "beat#2" for another one."""
        role = name.split("#")[0]
        command = [sys.executable, CELERY, "-A", "benchmarks.noting", role, "--loglevel=info"]
        command += self.beat_options if role == "beat" else ["--concurrency=1", "-n", f"{name}@%h"]
        if role == "beat":
            command += ["--schedule", str(self.directory / name), "--pidfile", ""]
        self.run(name, command, environ={**self.environ, **self.clock})

    @property
    def environ(self) -> dict[str, str]:
        own = {
            "CELERY_BEAT_SCHEDULER": SCHEDULERS[self.scheduler],
            "BENCHMARK_NOTES": str(self.directory / "notes"),
        }
        return {**super().environ, **own}

    # Its clock

    def set_clock(self, moment: datetime) -> None:
        draft = self.directory / "clock.new"
        draft.write_text(f"{round(moment.timestamp() - time.time()):+d}\n")
        draft.replace(self.directory / "clock")

    def advance(self, since: datetime, until: datetime, step: timedelta, seconds: float) -> None:
        """Set the clock from one moment to another in steps, with so many seconds for beat to look at each."""
        moment = since
        while moment < until:
            moment = min(moment + step, until)
            self.set_clock(moment)
            pause(seconds)

    # Its schedules

    def interval(self, seconds: int) -> int:
        return self.sql(INTERVAL, (seconds,))[0][0]

    def crontab(self, minute: str, hour: str, zone: str = "UTC") -> int:
        return self.sql(CRONTAB, (minute, hour, zone))[0][0]

    def clocked(self, at: datetime) -> int:
        return self.sql(CLOCKED, (at,))[0][0]

    def add(self, name: str, **kind: int) -> None:
        """A schedule of `interval`, `crontab` or `clocked`, by the id of that."""
        kinds = {"interval": None, "crontab": None, "clocked": None, **kind}
        self.sql(ADD, {"name": name, "args": f'["{name}"]', **kinds})
        self.sql(TELL_STOCK)

    def notes(self, schedule: str | None = None) -> list[Note]:
        try:
            lines = (self.directory / "notes").read_text().splitlines()
        except OSError:
            return []
        notes = (Note(float(at), name, job) for at, name, job in map(str.split, lines))
        return [note for note in notes if schedule in (None, note.schedule)]

    def until_noted(self, schedule: str, count: int = 1, *, within: float = 30.0) -> Note:
        """The note of that number."""
        look = partial(self.notes, schedule)
        found = self.until(lambda: len(look()) >= count and look()[count - 1], within=within)
        assert found, f"{schedule} did not run {count} times within {within:g} s ({self.scheduler})"
        return found

    def begin(self, *names: str) -> None:
        """Start the worker, and when it consumes, these beats."""
        self.start("worker")
        self.until_ready()
        for name in names:
            self.start(name)
        assert self.until(lambda: all("Starting..." in self.log(name) for name in names), within=60), "no beat starts"

    def until_ready(self) -> None:
        assert self.until(lambda: " ready." in self.log("worker"), within=60), "the worker does not start"


def make_template(directory: Path) -> Path:
    """A migrated cluster without schedules, to be copied."""
    with Stand(directory, OURS, template=None) as stand:
        stand.manage("migrate", "-v0")
        stand.sql("DELETE FROM django_celery_beat_periodictask")
        stand.sql("DELETE FROM schedules_schedulechange")
    return directory
