"""A database that has been in use for months, grown within minutes to so many tasks.

Rows are written without indexes, foreign keys and triggers, which are put back afterwards from PostgreSQL's own
definitions. Every second task is one of the past: told, its delivery sent. The others' reminders are still planned.
"""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from benchmarks.service import Service
from launcher.server import clean_environment
from tests.waiting import eventually

OWNERS = 10_000
OWN_NUMBERS = 1_000_000_000
"""From there on goes what is made while it is measured."""
WINDOW = 100_000
"""So many tasks, half of them told and half of them to be told, are within a day of their reminder's moment."""

# For building alone: what is lost in a crash is made again.
HASTY = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off",
    "wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "4GB", "checkpoint_timeout": "1h",
    "maintenance_work_mem": "1GB", "max_parallel_maintenance_workers": "1",
}  # fmt: skip

# The told ones are due within the last 100 days or, the window's, the next; the others' moment comes within
# three months, and not while it is measured.
ROWS = """
    FROM (
        SELECT n, n %% 2 = 0 AS is_told, %(first_owner)s + (n * 7919) %% %(owners)s AS owner_id,
               CASE WHEN n - %(first)s < 2 * %(window)s THEN
                   CASE WHEN n %% 2 = 0 THEN %(now)s + (n %% 1399 + 1) * interval '1 minute'
                        ELSE %(now)s + interval '27 hours' + n %% 1399 * interval '1 minute' END
               ELSE %(now)s + CASE WHEN n %% 2 = 0 THEN ((n - %(first)s)::float8 / %(count)s - 1) * interval '100 days'
                                   ELSE interval '52 hours' + (n * 7907) %% 129600 * interval '1 minute' END
               END AS due_at
        FROM generate_series(%(first)s::bigint, %(first)s::bigint + %(count)s - 1) AS n
    ) AS one
"""

TASKS = f"""
    INSERT INTO taskapp_task (id, owner_id, title, description, status, priority, due_at, timezone, all_day, version,
                              created_at, updated_at, completed_at)
    SELECT n, owner_id, 'Send the invoice for order ' || n || ' to the accountant',
           'The amounts are in the folder; ask about the second page first. They need it before the end of the month.',
           CASE WHEN is_told AND due_at < %(now)s THEN 'done' ELSE 'todo' END,
           (ARRAY['low', 'medium', 'high', 'critical'])[1 + n %% 4],
           due_at, 'Europe/Berlin', false, 1, least(due_at, %(now)s) - interval '7 days',
           least(due_at, %(now)s) - interval '7 days', CASE WHEN is_told AND due_at < %(now)s THEN due_at END
    {ROWS}
"""
REMINDERS = f"""
    INSERT INTO reminders_reminder (id, task_id, rule_id, kind, due_at, round, remind_at, status, reason, history,
                                    created_at)
    SELECT n, n, %(rule)s, 'due_soon', due_at, 1, due_at - interval '1 day',
           CASE WHEN is_told THEN 'dispatched' ELSE 'planned' END, '',
           CASE WHEN is_told THEN told.history ELSE planned.history END, least(due_at, %(now)s) - interval '7 days'
    {ROWS},
    (SELECT work_note('[]', 'planned', jsonb_build_object('remind_at', clock_timestamp())) AS history OFFSET 0)
        AS planned,
    (SELECT work_note(work_note('[]', 'planned', jsonb_build_object('remind_at', clock_timestamp())), 'dispatched',
                      '{{}}') AS history OFFSET 0) AS told
"""
DELIVERIES = f"""
    INSERT INTO reminders_delivery (id, reminder_id, recipient_id, channel, status, event_id, not_before, attempts,
                                    address, message_id, content, handed_over_at, sent_at, created_at, history)
    SELECT n, n, owner_id, 'email', 'sent', event_id, due_at - interval '1 day', 0,
           'owner' || owner_id || '@example.org', '<' || event_id || '@tasks.example.org>', content,
           due_at - interval '23:59:59.8', due_at - interval '23:59:59.7', due_at - interval '1 day', history
    FROM (SELECT *, gen_random_uuid() AS event_id {ROWS} WHERE is_told OFFSET 0) AS told,
    (SELECT work_note(work_note(work_note('[]', 'queued', '{{}}'),
                                'claimed', '{{"worker": "celery-worker-1:12345"}}'),
                      'sent', '{{"seconds_late": 0.312}}') AS history,
            jsonb_build_object(
                'title', 'Send the invoice for order 1234567 to the accountant', 'all_day', false,
                'description', 'The amounts are in the folder; ask about the second page first. They need it before '
                               'the end of the month.',
                'due_at', clock_timestamp(), 'zone', 'Europe/Berlin') AS content OFFSET 0) AS said
"""


FILL = {"taskapp_task": TASKS, "reminders_reminder": REMINDERS, "reminders_delivery": DELIVERIES}

FOREIGN_KEYS = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' AND (conrelid = ANY(%(tables)s::regclass[]) OR confrelid = ANY(%(tables)s::regclass[]))
"""
KEYS = """
    SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype IN ('p', 'u') AND conrelid = %s::regclass ORDER BY contype
"""
INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = %s::regclass AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
"""


@contextmanager
def in_haste(service: Service) -> Iterator[None]:
    """While this lasts, PostgreSQL is told not to care for a crash."""
    server = service.servers["postgres"]
    service.stop("postgres", signal.SIGINT)
    options = [f"--{name}={value}" for name, value in HASTY.items()]
    service.run("postgres", [*server.command(), *options], directory=server.directory(), environ=clean_environment(),
                become=server.become)  # fmt: skip
    eventually(lambda: service.sql("SELECT 1"))
    yield
    service.stop("postgres", signal.SIGINT)
    service.start_server("postgres")
    eventually(lambda: service.sql("SELECT 1"))


def grow(service: Service, *, first: int, until: int) -> None:
    """Add the tasks of these numbers, which are their ids, each with its reminder, and leave it as autovacuum would."""
    ((rule, owner, now),) = service.sql("""
        SELECT (SELECT min(id) FROM reminders_reminderrule),
               (SELECT min(id) FROM auth_user WHERE username LIKE 'owner%'), now()
    """)
    parameters: dict[str, Any] = {
        "first": first, "count": until - first + 1, "now": now, "rule": rule, "first_owner": owner, "owners": OWNERS,
        "window": max(0, min(until, WINDOW) - first + 1) // 2,
    }  # fmt: skip
    service.sql("DELETE FROM reminders_rulechange")  # of the default rule, which all of this has been planned by
    with in_haste(service):
        keys = service.sql(FOREIGN_KEYS, {"tables": list(FILL)})
        for table, name, _ in keys:
            service.sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda table: fill(service, table, parameters), FILL))
            # When no transaction is left to which the rows are new, as autovacuum sooner or later finds them.
            list(pool.map(lambda table: service.sql(f"VACUUM (ANALYZE) {table}"), FILL))
        for table, name, definition in keys:
            service.sql(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def fill(service: Service, table: str, parameters: dict[str, Any]) -> None:
    keys, indexes = service.sql(KEYS, (table,)), service.sql(INDEXES, (table,))
    with service.connect() as connection:
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        for name, _ in keys:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        connection.execute(FILL[table], parameters)
        for name, definition in keys:
            connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest(max(id), {OWN_NUMBERS})) FROM {table}"
        )
