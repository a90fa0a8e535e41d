"""Very many tasks that are due at once: put in by one statement, and known to the ledger."""

import time
from datetime import UTC, datetime, timedelta

from tests.chaos.asking import MINUTES
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger, in_words

INSERT = """
    INSERT INTO taskapp_task (owner_id, title, due_at, timezone, priority)
    SELECT %(owners)s[1 + number %% %(count)s], format('%%s-%%s is due', %(prefix)s::text, number),
           %(first)s::timestamptz + number %% %(minutes)s * interval '1 minute', 'UTC', 'medium'
    FROM generate_series(0, %(number)s - 1) AS number
"""


def put_in(fleet: Fleet, ledger: Ledger, *, prefix: str, users: list[str], number: int) -> None:
    """`number` tasks, of these people in turn."""
    first = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=3)
    owners = [fleet.users[user][0] for user in users]
    asked_at = time.monotonic()
    fleet.sql(
        INSERT,
        {
            "owners": owners, "count": len(owners), "prefix": prefix, "first": first, "minutes": MINUTES,
            "number": number,
        },
    )  # fmt: skip
    dues = [in_words(first + timedelta(minutes=minute)) for minute in range(MINUTES)]
    for one in range(number):
        ledger.grant(f"{prefix}-{one}", due=dues[one % MINUTES], asked_at=asked_at)
