"""How late a reminder is at the mail server: the time of the file into which that puts the message."""

import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from benchmarks.figures import Rows, quantile
from benchmarks.servers import pause
from benchmarks.service import Service

RATE = 5

# The default rule reminds a day before. `n` is the number of the task.
STEADY = """
    INSERT INTO taskapp_task (owner_id, title, due_at, timezone, priority)
    SELECT (%(owners)s::int[])[1 + n %% %(count)s], 'steady ' || n,
           %(begin)s::timestamptz + interval '1 day' + n * %(gap)s * interval '1 second', 'UTC', 'medium'
    FROM generate_series(0, %(number)s - 1) AS n
"""
AT_ONCE = """
    INSERT INTO taskapp_task (owner_id, title, due_at, timezone, priority)
    SELECT CASE WHEN n = %(number)s / 2 THEN %(lone)s ELSE (%(owners)s::int[])[1 + n %% %(count)s] END,
           CASE WHEN n = %(number)s / 2 THEN 'lone' ELSE 'crowd ' || n END,
           %(begin)s::timestamptz + interval '1 day', 'UTC', 'medium'
    FROM generate_series(0, %(number)s - 1) AS n
"""
PLANNED = "SELECT count(*) FROM reminders_reminder WHERE status = 'planned'"
SENT = "SELECT count(*) FROM reminders_delivery WHERE status = 'sent'"


class Mailbox:
    """The messages of a sink, as files in memory."""

    def __init__(self) -> None:
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 (a directory of our own in it)
        self.directory = Path(tempfile.mkdtemp(prefix="taskapp-sink-", dir=memory))
        self.directory.chmod(0o777)  # the sink gives up root

    def arrivals(self) -> dict[str, float]:
        """The moment of each, by the last words of its subject."""
        found = {}
        for file in self.directory.iterdir():
            subject = message_from_bytes(file.read_bytes(), policy=default)["Subject"]
            found[subject.rpartition(": ")[2]] = file.stat().st_mtime
        return found

    def empty(self) -> None:
        for file in self.directory.iterdir():
            file.unlink()


def play(directory: Path, template: Path, *, is_quick: bool) -> Rows:
    mailbox = Mailbox()
    try:
        with Service(directory / "service", template=template) as service:
            service.start_sink(into=mailbox.directory)
            service.start("web", "celery-worker", "celery-beat")
            owners = service.add_users(11)
            return [
                ("Lateness at the mail server, with the default settings", "Figure", "Aim"),
                *steady(service, mailbox, owners, seconds=10 if is_quick else 60),
                *at_once(service, mailbox, owners, number=500 if is_quick else 10_000),
            ]
    finally:
        shutil.rmtree(mailbox.directory)


def steady(service: Service, mailbox: Mailbox, owners: list[int], *, seconds: int) -> Rows:
    begin, number = datetime.now(UTC) + timedelta(seconds=6), seconds * RATE
    parameters = {"owners": owners, "count": len(owners), "begin": begin, "gap": 1 / RATE, "number": number}
    service.sql(STEADY, parameters)
    pause(begin.timestamp() + seconds - time.time())
    until_sent(service, number)
    lateness = [at - begin.timestamp() - int(name.split()[1]) / RATE for name, at in mailbox.arrivals().items()]
    return [
        (f"{RATE} a second for {seconds} s: p50", f"{quantile(lateness, 0.5):.2f} s", ""),
        ("p99", f"{quantile(lateness, 0.99):.2f} s", "1 s"),
        ("most", f"{max(lateness):.2f} s", ""),
    ]


def at_once(service: Service, mailbox: Mailbox, owners: list[int], *, number: int) -> Rows:
    """Of ten owners, and in the middle of the crowd one of somebody who has no other."""
    mailbox.empty()
    service.sql("DELETE FROM reminders_delivery")
    *crowd, lone = owners
    begin = datetime.now(UTC) + timedelta(seconds=8)
    parameters = {"owners": crowd, "count": len(crowd), "lone": lone, "begin": begin, "number": number}
    service.sql(AT_ONCE, parameters)
    assert service.until(lambda: service.sql(PLANNED)[0][0] >= number, within=8), "they are not planned in time"
    pause(begin.timestamp() - time.time())
    until_sent(service, number)
    arrivals = mailbox.arrivals()
    lateness = [at - begin.timestamp() for at in arrivals.values()]
    drained = max(lateness)
    return [
        (f"{number:,} due at one moment, of {len(crowd)} owners: p50", f"{quantile(lateness, 0.5):.1f} s", ""),
        ("p99", f"{quantile(lateness, 0.99):.1f} s", ""),
        ("until the last is there", f"{drained:.1f} s ({number / drained:.0f} a second)", ""),
        ("another owner's only one, due at the same moment", f"{arrivals['lone'] - begin.timestamp():.2f} s", ""),
    ]


def until_sent(service: Service, number: int) -> None:
    """Looks seldom, for looking takes its part of the machine."""
    end = time.monotonic() + 300
    while service.sql(SENT)[0][0] < number:
        assert time.monotonic() < end, "they are not sent"
        pause(0.5)
