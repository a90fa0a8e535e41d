"""The database backend: a kept connection is looked at before use, and the server asked only if there is a reason."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections

from tests.waiting import eventually


@pytest.fixture
def other(db):
    """A connection of its own."""
    other = connections.create_connection("default")
    other.ensure_connection()
    yield other
    other.close()


def ask(statement: str, *parameters, of=connection):
    with of.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0]


def test_a_quiet_connection_is_usable_and_nothing_is_asked(other):
    session = ask("SELECT pg_backend_pid()", of=other)

    assert other.is_usable()

    last = ask("SELECT query FROM pg_stat_activity WHERE pid = %s", session)
    assert last == "SELECT pg_backend_pid()"


def test_a_session_that_the_server_has_ended_is_replaced_before_use(other):
    session = ask("SELECT pg_backend_pid()", of=other)
    ask("SELECT pg_terminate_backend(%s)", session)
    eventually(lambda: not other.is_usable())

    other.health_check_enabled, other.health_check_done = True, False

    assert ask("SELECT pg_backend_pid()", of=other) != session


def test_a_message_that_ends_nothing_leaves_the_connection_usable(other):
    with other.cursor() as cursor:
        cursor.execute("LISTEN news")
    third = connections.create_connection("default")
    with third.cursor() as cursor:
        cursor.execute("NOTIFY news")
    third.close()
    eventually(lambda: not other._is_quiet())

    assert other.is_usable()
    assert other._is_quiet()


def test_a_session_that_was_left_in_the_middle_of_something_is_asked(other):
    ask("SELECT 1 FROM pg_advisory_lock(7)")
    other.connection.pgconn.send_query(b"SELECT pg_advisory_lock(7)")

    is_usable = other.is_usable()

    ask("SELECT pg_advisory_unlock(7)")
    assert not is_usable


def test_instants_are_aware_and_in_utc(other):
    assert ask("SELECT '2026-07-01T12:00:00.5+02:00'::timestamptz", of=other) == datetime(
        2026, 7, 1, 10, 0, 0, 500_000, tzinfo=UTC
    )
    assert ask("SELECT now()", of=other).utcoffset() == timedelta(0)
