"""Real PostgreSQL and Valkey: those of DATABASE_URL and REDIS_URL, else private ones that end with the tests."""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import TransactionTestCase
from redis import Redis
from rest_framework.test import APIClient

from attachments import processing, scanning, slots, thumbnailing
from config import health, probes
from config.postgresql import hosts
from languages.catalogues import compile_catalogues
from languages.offered import offered_languages
from reminders import conversations, delivering, outcomes, wake
from tests.broker import quiet_broker
from tests.factories import make_user
from tests.german import TEXTS, write_catalogue
from tests.mail_server import MailServer
from tests.system_packages import pytest_runtest_setup  # noqa: F401 (a hook)
from tests.tables import empty_tables
from tests.waiting import eventually
from tests.wire import Wire, wire_to_the_database

TransactionTestCase._fixture_teardown = lambda self: empty_tables()  # type: ignore[method-assign]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where CI=true, a test that was left out is a failure: CI installs what the tests need."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("CI=true: a skipped test is a failure.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """A worker's report of a test that logs half a surrogate pair is sent, too, which UTF-8 cannot hold."""
    return encodable((yield))


def encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {name: encodable(inner) for name, inner in value.items()}
    return type(value)(map(encodable, value)) if isinstance(value, list | tuple) else value


LONG_FIRST = ("e2e", "launcher", "chaos", "production", "schedules", "attachments")
"""Folders whose files take longest. Of two workers neither is to begin with one of these when the other has ended."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folders = [Path(__file__).parent / name for name in LONG_FIRST]

    def rank(item: pytest.Item) -> int:
        return next((number for number, folder in enumerate(folders) if folder in item.path.parents), len(folders))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The databases, which cannot be dropped while a session is open: one that came too late for whoever asked for it,
    or one of a thread that is just ending. What is left after a while is told, and ended."""
    yield
    for thread in threading.enumerate():
        if thread.name == "opening":
            thread.join(30)
    for late in list(hosts._late):
        hosts.end(late)
    end_sessions(connection.settings_dict, within=20.0)


def end_sessions(database: dict[str, Any], *, within: float) -> None:
    """Wait until nobody has a session with the database of the tests, and end those that are left."""
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    server = {ours: database[theirs] for ours, theirs in names.items() if database[theirs]}
    others = "FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(**server, dbname="postgres", autocommit=True) as own:

        def left() -> list[tuple[Any, ...]]:
            return own.execute(
                f"SELECT application_name, state, query_start, query {others}", [database["NAME"]]
            ).fetchall()

        with suppress(AssertionError):
            eventually(lambda: not left(), within=within)
        for session in left():
            print(f"a session was left open: {session}", file=sys.stderr)
        own.execute(f"SELECT pg_terminate_backend(pid) {others}", [database["NAME"]])


@pytest.fixture(autouse=True)
def outbox(settings, tmp_path: Path) -> Path:
    """Where mail lands in this test."""
    settings.OUTBOX_DIR = tmp_path / "outbox"
    return settings.OUTBOX_DIR


STAGES = tuple(processing._stages)


@pytest.fixture(autouse=True)
def _as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What modules remember from one call to the next is not handed from test to test."""
    for turn in (delivering.turn, scanning.turn, thumbnailing.turn):
        monkeypatch.setattr(turn, "after", None)
    monkeypatch.setattr(processing, "_stages", deque(STAGES))
    monkeypatch.setattr(wake, "_last_pulse", float("-inf"))
    monkeypatch.setattr(conversations.ceiling, "_until", float("-inf"))
    monkeypatch.setattr(conversations.Connection, "last_opened_at", float("-inf"))
    monkeypatch.setattr(outcomes, "_accepted_at", float("-inf"))
    monkeypatch.setattr(health, "_unanswered", None)
    monkeypatch.setattr(probes, "_written_at", float("-inf"))
    monkeypatch.setattr(probes, "_unanswered", None)
    monkeypatch.setattr(slots, "_is_disk_usable", True)


@pytest.fixture(autouse=True)
def _patient_with_the_mail_server(settings) -> None:
    """A machine that is busy with tests is not taken for a slow mail server."""
    settings.DELIVERY_SLOW_SECONDS = 10.0


@pytest.fixture(autouse=True)
def _cheap_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def alice(db) -> User:
    """Owns things."""
    return make_user("alice")


@pytest.fixture
def bob(db) -> User:
    """Is somebody else, and must see nothing of alice's."""
    return make_user("bob")


@pytest.fixture
def staff(db) -> User:
    """May look at everything, as an administrator."""
    return make_user("staff", is_staff=True, is_superuser=True)


@pytest.fixture
def api() -> Callable[[User | None], APIClient]:
    """api(alice) is a client of the API that is signed in as her."""

    def client_of(user: User | None = None) -> APIClient:
        client = APIClient()
        if user is not None:
            client.force_authenticate(user)
        return client

    return client_of


@pytest.fixture
def german(settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """German is offered, too: its catalogue is compiled as at the start, with no program of gettext's on the PATH."""
    locale_dir = tmp_path / "locale"
    source = write_catalogue(locale_dir, TEXTS)
    with monkeypatch.context() as context:
        context.setenv("PATH", str(tmp_path))
        compile_catalogues(locale_dir)
    settings.LOCALE_PATHS = [locale_dir]
    settings.LANGUAGES = offered_languages(locale_dir)
    return source


@pytest.fixture
def committed_db(transactional_db) -> None:
    """A database whose rows other connections see; its default schedules are new, so that none is due."""
    empty_tables()


@pytest.fixture
def wire(committed_db) -> Iterator[Wire]:
    """What connects this test with PostgreSQL, and can lose an answer."""
    with wire_to_the_database() as wire:
        yield wire


@pytest.fixture
def mail_server(settings) -> Iterator[MailServer]:
    """A real SMTP server that mail goes to in this test, and that does as it is told."""
    with MailServer() as server:
        settings.MAIL_SERVER = server.settings
        settings.EMAIL_FROM = "Taskapp <reminders@tasks.example.org>"
        yield server


@pytest.fixture
def broker(settings) -> Iterator["Redis[bytes]"]:
    """A client of the broker, whose queues are empty."""
    with quiet_broker(settings.CELERY_BROKER_URL) as redis:
        yield redis
