"""Twenty thousand e-mails through Celery, beside smtplib that builds and sends the same on as many connections.

The two take turns, so that what else happens on the machine befalls both.
"""

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable
from threading import Event, Thread

from benchmarks.figures import Rows, spread
from benchmarks.planning import TASKS
from benchmarks.servers import pause
from benchmarks.service import Service
from tests.chaos.processes import children
from tests.e2e.service import ROOT

PROCESSES = 2  # and connections: WORKER_CONCURRENCY as it is by default
PROGRAMS = ["web", "celery-worker", "celery-beat"]

# What a script of twenty lines would do: no database, no ledger, nothing to be found out afterwards.
BARE = """
import sys, time
import smtplib
from datetime import UTC, datetime
from django.conf import settings
from reminders.channels.base import DueSoon
from reminders.channels.mime import compose
count, number = {count}, {number}
due = datetime(2026, 11, 25, 17, 30, tzinfo=UTC)
smtp = smtplib.SMTP(settings.MAIL_SERVER["host"], settings.MAIL_SERVER["port"])
print("ready", flush=True)
sys.stdin.readline()
began = time.process_time()
for one in range(count):
    name = f"{{number}}-{{one}}"
    mail = compose(DueSoon(
        to=f"owner{{one % 1000}}@example.org", message_id=f"<{{name}}@example.org>", language="",
        title=f"task {{name}}", description="", due_at=due, all_day=False, zone="UTC",
        task_url=f"{{settings.PUBLIC_URL}}/tasks/{{one}}/",
        unsubscribe_url=f"{{settings.PUBLIC_URL}}/unsubscribe/?token=0123456789abcdef0123456789abcdef",
    ))
    smtp.sendmail("reminders@localhost", [mail.to[0].address], mail.as_bytes())
smtp.quit()
print(time.process_time() - began)
"""

SENT = "SELECT count(*) FROM reminders_delivery WHERE status = 'sent'"
WINDOW = """
    SELECT count(*), EXTRACT(epoch FROM max(sent_at) - min(sent_at))::float8 FROM reminders_delivery
    WHERE sent_at > %s
"""
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
HANDING_OVER = "SELECT count(*) FROM reminders_delivery WHERE status = 'leased' AND handing_over"


@dataclass(frozen=True)
class Delivered:
    """E-mails a second; milliseconds of processor time for each; and transactions of the database for each."""

    rate: float
    worker: float
    postgres: float = 0.0
    commits: float = 0.0


class Watch(Thread):
    """Looks at the memory of the processes twice a second: the most that each has held."""

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self.most = dict.fromkeys(PROGRAMS, 0.0)
        self._service, self._over = service, Event()

    def run(self) -> None:
        while not self._over.wait(0.5):
            for name in PROGRAMS:
                if name in self._service.processes:
                    self.most[name] = max(self.most[name], self._service.megabytes(name))

    def stop(self) -> None:
        self._over.set()
        self.join()


def play(directory: Path, template: Path, *, is_quick: bool) -> Rows:
    number, rounds = (1_000, 1) if is_quick else (20_000, 5)
    each = number // rounds
    with Service(directory / "service", template=template) as service:
        service.start_sink()
        service.start(*PROGRAMS)
        idle = {name: service.megabytes(name) for name in PROGRAMS}
        service.stop("celery-worker")
        service.stop("celery-beat")
        backlog = number + 1_000  # some are left to be killed
        put_in(service, backlog)
        service.start("celery-beat")
        watch = Watch(service)
        watch.start()
        ours, bare = [], []
        for _ in range(rounds):
            ours.append(deliver(service, each))
            bare.append(send_bare(service, each))
        watch.stop()
        unsettled = kill(service)
    statements = statements_of(directory / "logged", template, min(each, 500))
    undisturbed = without_waiting(directory / "no-fsync", template, each)
    ratios = [one.rate / other.rate for one, other in zip(ours, bare, strict=True)]
    memory = [
        (f"memory of {name}, children included (PSS): idle; most with {backlog:,} waiting",
         f"{idle[name]:.0f} MB; {watch.most[name]:.0f} MB")
        for name in PROGRAMS
    ]  # fmt: skip
    return [
        (f"{number:,} e-mails, {rounds} runs, {PROCESSES} processes with a connection each", "E-mails a second"),
        ("through Celery", spread([one.rate for one in ours], ".0f")),
        ("limit: smtplib with the same MIME, without a database", spread([one.rate for one in bare], ".0f")),
        ("**ratio** (aim: 0.5)", f"**{spread(ratios)}**"),
        ("through Celery, the runs in turn, as the backlog shrinks", ", ".join(f"{one.rate:.0f}" for one in ours)),
        ("through Celery, with a PostgreSQL that does not wait for its disk, 1 run", f"{undisturbed.rate:.0f}"),
        ("processor time for each, ms: the worker", spread([one.worker for one in ours])),
        ("PostgreSQL", spread([one.postgres for one in ours])),
        ("the bare script", spread([one.worker for one in bare])),
        ("statements for each, those of sweeps and of beat included", f"{statements:.2f}"),
        ("commits for each, the same", spread([one.commits for one in ours])),
        (
            f"unsettled after kill -9 of the worker and its {PROCESSES} children (aim: {PROCESSES} at most)",
            f"{unsettled}",
        ),
        *memory,
    ]


def put_in(service: Service, number: int) -> None:
    """So many deliveries that are due, of a thousand owners."""
    owners = service.add_users(1_000)
    service.sql(TASKS, {"owners": owners, "count": len(owners), "number": number})
    service.manage("send_due_soon")
    service.sql("ANALYZE")


def deliver(service: Service, count: int, **environ: str) -> Delivered:
    """Start a worker, let it send at least so many, and stop it; what it took from the first to the last."""
    began, before = service.sql("SELECT clock_timestamp()")[0][0], service.sql(SENT)[0][0]
    service.start("celery-worker", **environ)
    assert service.until(lambda: service.sql(SENT)[0][0] > before, within=60), "the worker does not send"
    sent_before, before_it = service.sql(SENT)[0][0], costs(service)
    pause(count / 600)  # looking takes its part of the machine
    asked = 1
    while (sent := service.sql(SENT)[0][0]) < before + count:
        asked += 1
        pause(0.2)
    worker, postgres, commits = (now - then for now, then in zip(costs(service), before_it, strict=True))
    service.stop("celery-worker")
    all_sent, seconds = service.sql(WINDOW, (began,))[0]
    each = 1 / (sent - sent_before)
    return Delivered((all_sent - 1) / seconds, 1000 * worker * each, 1000 * postgres * each, (commits - asked) * each)


def costs(service: Service) -> list[float]:
    """Seconds of processor time of the worker and of PostgreSQL so far, and transactions that have ended."""
    return [*(service.cpu_seconds(name) for name in ("celery-worker", "postgres")), service.sql(COMMITS)[0][0]]


def send_bare(service: Service, count: int) -> Delivered:
    """As many from processes of their own; what they take to start does not count."""
    senders = [
        Popen([executable, "manage.py", "shell", "-v0", "-c", BARE.format(count=count // PROCESSES, number=number)],
              cwd=ROOT, env=service.environ, stdin=PIPE, stdout=PIPE)
        for number in range(PROCESSES)
    ]  # fmt: skip
    for sender in senders:
        assert sender.stdout
        assert sender.stdout.readline() == b"ready\n"
    began = time.monotonic()
    with ThreadPoolExecutor(PROCESSES) as pool:
        said = list(pool.map(lambda sender: sender.communicate(b"\n", timeout=300)[0], senders))
    took = time.monotonic() - began
    assert not any(sender.returncode for sender in senders)
    return Delivered(count / took, 1000 * sum(map(float, said)) / count)


def without_waiting(directory: Path, template: Path, count: int) -> Delivered:
    """What the commits cost: the same, and a crash of the machine would lose the last of them."""
    service = Service(directory, template=template)
    service.postgres_options = ["--fsync=off"]
    with service:
        service.start_sink()
        put_in(service, 2 * count)
        service.start("celery-beat")
        return deliver(service, count)


def statements_of(directory: Path, template: Path, count: int) -> float:
    """From the log of a PostgreSQL that writes each statement down."""
    service = Service(directory, template=template)
    service.postgres_options = ["--log_statement=all"]
    with service:
        service.start_sink()
        put_in(service, count)
        began = len(service.log("postgres"))
        service.start("celery-beat", "celery-worker")
        assert service.until(lambda: service.sql(SENT)[0][0] >= count, within=60), "the worker does not send"
        log = service.log("postgres")[began:]
    asked = len(re.findall(r"LOG:  statement: SELECT count\(\*\) FROM reminders_delivery WHERE status = 'sent'", log))
    return (len(re.findall(r"LOG:  (?:statement|execute [^:]*):", log)) - asked) / count


def kill(service: Service) -> int:
    """Kill a worker with all its children while it sends; how many messages may or may not have arrived."""
    before = service.sql(SENT)[0][0]
    service.start("celery-worker")
    service.until(lambda: service.sql(SENT)[0][0] > before + 50, within=60)
    pid = service.processes["celery-worker"].pid
    for one in [pid, *children(pid)]:
        os.kill(one, signal.SIGKILL)
    service.kill("celery-worker")
    return service.sql(HANDING_OVER)[0][0]
