"""Rows in every state for a database of any version, by plain SQL: the models of today do not fit it.

Tables and columns that the version does not have yet are left out. `contents`, before and after an upgrade, tells
whether each row is there as it was.
"""

import json
import uuid
from itertools import count
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

Contents = dict[str, list[Any]]
"""All rows of each table, as JSON, in an order of their own."""

LEASE = {"lease_token": uuid.uuid4(), "lease_until": "2026-11-22 10:00+00", "lease_worker": "vm:1"}
SENT = {"sent_at": "2026-11-22 10:00+00", "message_id": "<1@localhost>"}
WHY = {"reason": "a reason"}


class OldDatabase:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.columns: dict[str, set[str]] = {}
        for table, column in connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ):
            self.columns.setdefault(table, set()).add(column)
        self.tables: set[str] = set()
        self.numbers = count(1)

    def insert(self, table: str, **values: Any) -> Any:
        """Insert a row and return its first column, the primary key; None where there is no such table."""
        if table not in self.columns:
            return None
        self.tables.add(table)
        fitting = {name: value for name, value in values.items() if name in self.columns[table]}
        statement = SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
            Identifier(table), SQL(", ").join(map(Identifier, fitting)), SQL(", ").join(SQL("%s") for _ in fitting)
        )
        row = self.connection.execute(statement, list(fitting.values())).fetchone()
        assert row is not None
        return row[0]

    def contents(self) -> Contents:
        """The rows of the tables that were filled, in the columns that there were then."""
        found: Contents = {}
        for table in sorted(self.tables):
            columns = SQL(", ").join(map(Identifier, sorted(self.columns[table])))
            statement = SQL("SELECT to_jsonb(own) FROM (SELECT {} FROM {}) AS own ORDER BY 1")
            found[table] = [row for (row,) in self.connection.execute(statement.format(columns, Identifier(table)))]
        return found

    def fill(self) -> None:
        user = self.insert(
            "auth_user", username="alice", password="!", first_name="", last_name="", email="alice@example.org",
            is_superuser=True, is_staff=True, is_active=True, date_joined="2026-01-01 00:00+00",
        )  # fmt: skip
        self.insert("accounts_preference", user_id=user, timezone="Europe/Berlin")
        self.insert("accounts_token", user_id=user, prefix="abcdefgh", digest="0" * 64)
        self.insert("accounts_loginthrottle", key="alice", attempted_at=["2026-01-01 00:00+00"])
        self.fill_tasks(user)
        self.fill_work()
        self.fill_schedules()

    def fill_tasks(self, user: int) -> None:
        tag = self.insert("taskapp_tag", name="home", owner_id=user)
        for status in ("todo", "in_progress", "blocked", "done"):
            for deleted_at in (None, "2026-11-22 10:00+00"):
                task = self.insert(
                    "taskapp_task", title=f"{status} {deleted_at}", status=status, owner_id=user, deleted_at=deleted_at,
                    due_at="2026-12-01 10:00+00",
                )  # fmt: skip
                self.insert("taskapp_task_tags", task_id=task, tag_id=tag)
                self.insert(
                    "taskapp_idempotencykey", key=f"key of {task}", fingerprint="0" * 64, owner_id=user, task_id=task
                )
                self.fill_reminders(task, user)
                self.fill_attachments(task, user)

    def fill_reminders(self, task: int, user: int) -> None:
        (rule,) = self.connection.execute("SELECT id FROM reminders_reminderrule").fetchone() or (0,)

        def reminder(status: str, **values: Any) -> int:
            moment = f"2026-12-01 10:{next(self.numbers) % 60:02}+00"  # unique for a task and a rule
            return self.insert(
                "reminders_reminder", kind="due_soon", status=status, task_id=task, rule_id=rule, due_at=moment,
                remind_at=moment, history=json.dumps([{"at": moment, "step": status}]), **values,
            )  # fmt: skip

        reminder("planned")
        reminder("cancelled", **WHY)
        for status, values in (
            ("queued", {}),
            ("queued", {"alone": True, "attempts": 3, "unknown_outcome": True, **WHY}),
            ("leased", {**LEASE, "handing_over": True, "content": json.dumps({"subject": "Pay the rent"})}),
            ("sent", SENT),
            ("failed", WHY),
            ("suppressed", WHY),
        ):
            self.insert(
                "reminders_delivery", status=status, channel="email", recipient_id=user,
                reminder_id=reminder("dispatched"), address="alice@example.org",
                history=json.dumps([{"at": "2026-11-22T10:00:00+00:00", "step": status}]), **values,
            )  # fmt: skip

    def fill_attachments(self, task: int, user: int) -> None:
        stages: tuple[tuple[str, dict[str, Any]], ...] = (
            ("queued", {}), ("leased", LEASE), ("done", {"verdict": "clean"}), ("failed", WHY),
        )  # fmt: skip
        for state in ("uploaded", "scanning", "clean", "ready", "infected", "unscannable", "failed"):
            for status, values in stages:
                key = f"file {next(self.numbers)}"
                attachment = self.insert(
                    "attachments_attachment", name="note.txt", size=1, sha256="0" * 64, content_type="text/plain",
                    declared_type="text/plain", key=key, state=state, task_id=task, reason="a reason",
                )  # fmt: skip
                for stage in ("scan", "thumbnailing"):
                    self.insert(
                        f"attachments_{stage}", attachment_id=attachment, owner_id=user, status=status, **values
                    )
                self.insert(
                    "attachments_thumbnail", attachment_id=attachment, size="small", width=1, height=1, bytes=1,
                    key=f"thumbnail of {key}",
                )  # fmt: skip
                self.insert("attachments_erasure", key=f"what became of {key}")

    def fill_work(self) -> None:
        self.insert("work_breaker", name="email", failures=3, open_until="2026-11-22 10:00+00", reason="a reason")
        self.insert("work_bell", name="deliveries", rung_at="2026-11-22 10:00+00")

    def fill_schedules(self) -> None:
        (schedule,) = self.connection.execute(
            "SELECT id FROM django_celery_beat_periodictask WHERE name = 'prune-reminders'"
        ).fetchone() or (0,)
        self.insert("schedules_policy", schedule_id=schedule, catch_up="all")
        self.insert("schedules_schedulestate", schedule_id=schedule, look_at="2026-11-22 10:00+00")
        is_open = {"due", "published", "started"}
        for status in (*sorted(is_open), "finished", "failed", "merged", "skipped", "missed", "unobserved"):
            self.insert(
                "schedules_schedulerun", schedule_id=schedule, status=status, job_id=uuid.uuid4(),
                scheduled_for=f"2026-11-22 10:{next(self.numbers) % 60:02}+00",
                look_at="2026-11-22 10:00+00" if status in is_open else None, started_at="2026-11-22 10:00+00",
            )  # fmt: skip
