"""A database of any earlier version becomes, by one upgrade, what a new one is; and its rows stay as they were.

Each is made by the code of a commit of this repository, from its archive: its own migrations, as they were then.
"""

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from tests.production.conftest import empty_database
from tests.production.files import CHECKOUT
from tests.production.running import environment
from tests.schema import schema_of
from tests.slow.rows import OldDatabase

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.system("git")]

COMMITS = [
    "ebd35d6",  # the first migrations of all, before the first edit of any
    "c7206b7",  # work.0003 without the breaker's while_carrying
    "395c43b",  # rows deleted along with their owner by the database, for the first time
    "dc0d3a8",  # the first ledger of schedules: without what four later edits of schedules.0002 and 0003 added
    "81e0a62",  # the ledger halfway: changed_at is there, resumed_at is not
    "b612695",  # the ledger as it has stayed, and nothing of size or attachments
    "a98c44d",  # reminders.0006_fewer_indexes, which was removed afterwards
    "c05cb13",  # reminders.0006_history_by_age without three indexes
    "8a231c4",  # attachments without an owner and the triggers that keep it
    "8e23cbb",  # everything but the repairs
]


def archive(commit: str, to: Path) -> None:
    """Extract what the commit holds."""
    archived = subprocess.run(["git", "archive", commit], cwd=CHECKOUT, capture_output=True, check=False)
    if archived.returncode != 0:
        pytest.fail(
            f"The history of the repository is needed, back to commit {commit}: git clone without --depth, "
            f"or git fetch --unshallow. git said: {archived.stderr.decode().strip()}",
            pytrace=False,
        )
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as tar:
        tar.extractall(to, filter="data")


def manage(checkout: Path, command: str, env: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", command], cwd=checkout, env=env, capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture
def url() -> Iterator[str]:
    with empty_database() as url:
        yield url


@pytest.mark.parametrize("commit", COMMITS)
def test_a_database_of_an_earlier_version_becomes_what_a_new_one_is(commit, url, tmp_path):
    archive(commit, tmp_path / "then")
    env = environment(
        DATABASE_URL=url, REDIS_URL=settings.REDIS_URL, SECRET_KEY="for the tests alone", DATA_DIR=str(tmp_path)
    )
    # Early versions refuse variables that are set and empty.
    manage(tmp_path / "then", "migrate", {name: value for name, value in env.items() if value})
    with psycopg.connect(url, autocommit=True) as old:
        database = OldDatabase(old)
        database.fill()
        before = database.contents()
        assert len(before["reminders_delivery"]) == len(before["taskapp_task"]) * 6 == 48

        manage(CHECKOUT, "prepare", env)

        assert schema_of(old) == schema_of(connection)
        assert database.contents() == before
        assert old.execute(
            "SELECT count(*) FROM attachments_attachment AS attachment JOIN taskapp_task AS task ON task.id = task_id "
            "WHERE attachment.owner_id <> task.owner_id"
        ).fetchone() == (0,)
