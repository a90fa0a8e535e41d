"""Real PostgreSQL and Valkey: those of DATABASE_URL and REDIS_URL, else private ones that end with the tests."""

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from redis import Redis
from rest_framework.test import APIClient

from tests.broker import quiet_broker
from tests.factories import make_user
from tests.mail_server import MailServer
from tests.system_packages import pytest_runtest_setup  # noqa: F401 (a hook)
from tests.wire import Wire, wire_to_the_database


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where CI=true, a test that was left out is a failure: CI installs what the tests need."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("CI=true: a skipped test is a failure.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def outbox(settings, tmp_path: Path) -> Path:
    """Where mail lands in this test."""
    settings.OUTBOX_DIR = tmp_path / "outbox"
    return settings.OUTBOX_DIR


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
def committed_db(transactional_db) -> None:
    """A database whose rows other connections see. The flush after such a test takes the default rows along."""
    defaults = import_module("reminders.migrations.0003_defaults")
    defaults.make_rule(apps, None)
    defaults.make_schedules(apps, None)
    import_module("schedules.migrations.0004_prune_runs").make_schedule(apps, None)
    import_module("attachments.migrations.0003_schedules").make_schedules(apps, None)


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
