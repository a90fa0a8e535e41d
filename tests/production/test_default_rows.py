"""A test that commits leaves the rows that every new database has, and no others (tests/tables.py)."""

import os
from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from tests.e2e.service import run_manage
from tests.production.conftest import empty_database
from tests.tables import KEPT, empty_tables

TABLES = """
    SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
"""


@pytest.fixture
def migrated_url() -> Iterator[str]:
    with empty_database() as url:
        run_manage({**os.environ, "DATABASE_URL": url, "REDIS_URL": settings.REDIS_URL}, "migrate", "--verbosity=0")
        yield url


def counts(database: psycopg.Connection) -> dict[str, int]:
    names = [name for (name,) in database.execute(TABLES) if name not in KEPT]
    found = {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
    return {name: count for name, count in found.items() if count}


def test_an_emptied_database_is_like_a_new_one(committed_db, migrated_url):
    with psycopg.connect(migrated_url) as new:
        wanted = counts(new)

    empty_tables()

    assert counts(connection.connection) == wanted
