"""What one scheduler is measured on: PostgreSQL, Valkey, beats and workers of its own, on loopback.

The cluster is a copy of one that was migrated before, so that a stand is there within seconds. All of it ends with the
stand, and by the kernel's doing if the harness is killed.

A stand may have a clock of its own, which libfaketime shows to PostgreSQL, beat and worker; `set_clock` moves it.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Self

import psycopg
from redis import Redis

from launcher.linux import die_with_parent
from launcher.postgres import PostgreSQL
from launcher.server import Server, clean_environment
from launcher.valkey import Valkey
from tests.chaos.fleet import FAKETIME
from tests.e2e.service import CELERY, ROOT, free_port, run_manage
from tests.waiting import eventually

STOCK, OURS = "stock", "ours"
SCHEDULERS = {
    STOCK: "django_celery_beat.schedulers:DatabaseScheduler",
    OURS: "schedules.scheduler:LedgerScheduler",
}

OVER = Event()
"""Set when everything is to end."""

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


class OverError(Exception):
    """Everything is to end."""


@dataclass(frozen=True)
class Note:
    """A start of the job. `at` is in seconds of Unix time, on the stand's clock."""

    at: float
    schedule: str
    job: str

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


def pause(seconds: float) -> None:
    if OVER.wait(max(0.0, seconds)):
        raise OverError


class Stand:
    """Entered, its servers answer; beats and workers are started by name, such as "beat#1"."""

    def __init__(self, directory: Path, scheduler: str, *, template: Path | None, own_clock: datetime | None = None):
        self.directory, self.scheduler, self.template = directory, scheduler, template
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.servers: dict[str, Server] = {}
        self.beat_options: list[str] = []
        self.clock: dict[str, str] = {}
        self._secret = secrets.token_hex(32)
        if own_clock:
            self.set_clock(own_clock)
            self.beat_options = ["--max-interval=1"]  # else the stock one sleeps up to 5 s while the clock jumps
            self.clock = {
                "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(directory / "clock"),
                "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            }  # fmt: skip

    def __enter__(self) -> Self:
        data = self.directory / "data"
        data.mkdir(mode=0o700)
        try:
            if self.template:
                shutil.copytree(self.template / "data" / "postgres", data / "postgres")
            for name, server in (("postgres", PostgreSQL(data, {})), ("valkey", Valkey(data, {}))):
                server.port = free_port()
                self.servers[name] = server
                self.start_server(name)
            eventually(lambda: self.sql("SELECT 1"))
            eventually(lambda: self.broker().ping())
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        for name in reversed(list(self.processes)):
            self.stop(name, signal.SIGINT if name == "postgres" else signal.SIGKILL)

    # Processes

    def start_server(self, name: str) -> None:
        server = self.servers[name]
        server.prepare()
        clock = self.clock if name == "postgres" else {}
        self._start(name, server.command(), server.directory(), {**clean_environment(), **clock}, server.become)

    def start(self, name: str) -> None:
        """ "beat", "worker", or "beat#2" for another one."""
        role = name.split("#")[0]
        command = [sys.executable, CELERY, "-A", "benchmarks.noting", role, "--loglevel=info"]
        command += self.beat_options if role == "beat" else ["--concurrency=1", "-n", f"{name}@%h"]
        if role == "beat":
            command += ["--schedule", str(self.directory / name), "--pidfile", ""]
        self._start(name, command, ROOT, {**self.environ, **self.clock}, lambda: None)

    def _start(self, name: str, command: Any, directory: Path, environ: dict[str, str], become: Callable[[], None]):
        harness, death = os.getpid(), signal.SIGQUIT if name == "postgres" else signal.SIGKILL

        def enter() -> None:
            become()
            die_with_parent(death, harness)

        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=directory, env=environ, preexec_fn=enter, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        self.stop(name, signal.SIGKILL)

    def stop(self, name: str, with_signal: int = signal.SIGTERM) -> None:
        """End the process and what is left of its group."""
        process = self.processes.pop(name)
        process.send_signal(with_signal)
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def is_alive(self, name: str) -> bool:
        return self.processes[name].poll() is None

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.servers["postgres"].url(), "REDIS_URL": self.servers["valkey"].url(),
            "DATA_DIR": str(self.directory / "data"), "SECRET_KEY": self._secret, "TIME_ZONE": "UTC",
            "PUBLIC_URL": "http://127.0.0.1:8000", "EMAIL_URL": "", "DEBUG": "",
            "LOG_LEVEL": "INFO", "LOG_FORMAT": "json", "CELERY_BEAT_SCHEDULER": SCHEDULERS[self.scheduler],
            "BENCHMARK_NOTES": str(self.directory / "notes"),
        }  # fmt: skip

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

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

    # Talking to it

    def manage(self, *arguments: str, stdin: str = "") -> str:
        return run_manage(self.environ, *arguments, stdin=stdin)

    def connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.servers["postgres"].url(), autocommit=True, connect_timeout=5)

    def sql(self, statement: str, parameters: Any = None) -> list[Any]:
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def broker(self) -> "Redis[bytes]":
        return Redis.from_url(self.servers["valkey"].url(), socket_timeout=60)

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

    def until(self, look: Callable[[], Any], *, within: float) -> Any:
        """What `look` returns once it is true; None if it is not in time."""
        end = time.monotonic() + within
        while not (found := look()) and time.monotonic() < end:
            pause(0.02)
        return found or None

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
    directory.mkdir(mode=0o700)
    with Stand(directory, OURS, template=None) as stand:
        stand.manage("migrate", "-v0")
        stand.sql("DELETE FROM django_celery_beat_periodictask")
        stand.sql("DELETE FROM schedules_schedulechange")
    return directory
