"""How late the others are while ten recipients' servers take a minute to answer."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.figures import Rows, quantile
from benchmarks.servers import pause
from benchmarks.service import Service
from tests.chaos.mail_server import MailServer

RATE, SLOW, SLOW_SECONDS = 5, 10, 60.0

# The default rule reminds a day before. `n` is the number of the task; the slow ones come due first.
TASKS = """
    INSERT INTO taskapp_task (owner_id, title, due_at, timezone, priority)
    SELECT (%(owners)s::int[])[1 + n %% %(count)s], %(word)s || n,
           %(begin)s::timestamptz + interval '1 day' + n * %(gap)s * interval '1 second', 'UTC', 'medium'
    FROM generate_series(0, %(number)s - 1) AS n
"""
EACH_AT_A_DOMAIN = "UPDATE auth_user SET email = username || '@' || username || '.example' WHERE id = ANY(%s)"


def play(directory: Path, template: Path, *, is_quick: bool) -> Rows:
    seconds = 15 if is_quick else 60
    with MailServer() as mail, Service(directory / "service", template=template, EMAIL_URL=mail.url) as service:
        service.start("web", "celery-worker", "celery-beat")
        owners = service.add_users(SLOW + 10)
        slow, others = owners[:SLOW], owners[SLOW:]
        service.sql(EACH_AT_A_DOMAIN, [slow])
        addresses = [address for (address,) in service.sql("SELECT email FROM auth_user WHERE id = ANY(%s)", [slow])]
        mail.seconds_for = dict.fromkeys(addresses, SLOW_SECONDS)
        begin = datetime.now(UTC) + timedelta(seconds=6)
        add(service, slow, "slow", begin=begin, gap=0.0, number=SLOW)
        add(service, others, "s", begin=begin, gap=1 / RATE, number=seconds * RATE)
        clocks = time.time() - time.monotonic()
        pause(begin.timestamp() + seconds + 5 - time.time())
        accepted = list(mail.accepted)
        until_over(service)
        copies = len(mail.accepted)
    lateness = [
        message.at + clocks - begin.timestamp() - int(message.word[1:]) / RATE
        for message in accepted if not message.word.startswith("slow")
    ]  # fmt: skip
    assert len(lateness) == seconds * RATE, f"{len(lateness)} of {seconds * RATE} are there"
    title = f"Lateness of the others while {SLOW} recipients' servers take {SLOW_SECONDS:.0f} s to answer"
    return [
        (title, "Figure", "Aim"),
        (f"{RATE} a second for {seconds} s: p50", f"{quantile(lateness, 0.5):.2f} s", ""),
        ("p99", f"{quantile(lateness, 0.99):.2f} s", "2 s"),
        ("most", f"{max(lateness):.2f} s", ""),
        ("copies of the slow ones", f"{copies - len(lateness)}", f"{SLOW}"),
    ]


def add(service: Service, owners: list[int], word: str, *, begin: datetime, gap: float, number: int) -> None:
    parameters = {
        "owners": owners, "count": len(owners), "word": word, "begin": begin, "gap": gap, "number": number,
    }  # fmt: skip
    service.sql(TASKS, parameters)


def until_over(service: Service) -> None:
    """The slow ones have had their answer, and a lease more."""
    pause(SLOW_SECONDS)
    sent = "SELECT count(*) FROM reminders_delivery WHERE status <> 'sent'"
    service.until(lambda: service.sql(sent)[0][0] == 0, within=30)
