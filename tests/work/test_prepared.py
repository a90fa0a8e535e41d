"""Statements that PostgreSQL plans once a session."""

import pytest
from django.db import connection
from django.db.utils import DataError

from work.prepared import fetch_prepared

pytestmark = pytest.mark.django_db

MARKED = "SELECT %(number)s::int + 1 AS once_a_session"


def times_planned_ahead() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%once_a_session%'")
        return int(cursor.fetchone()[0])


def test_it_is_prepared_once_whatever_its_parameters_are():
    assert [fetch_prepared(MARKED, {"number": number}) for number in (1, 2)] == [[(2,)], [(3,)]]

    assert times_planned_ahead() == 1


def test_behind_a_pooler_that_cannot_do_that_it_is_not_prepared(monkeypatch):
    connection.ensure_connection()
    monkeypatch.setattr(connection.connection, "prepare_threshold", None)

    assert fetch_prepared(MARKED.replace("+ 1", "+ 2"), {"number": 1}) == [(3,)]

    assert times_planned_ahead() == 0


def test_an_error_is_one_of_djangos():
    with pytest.raises(DataError, match="division by zero"):
        fetch_prepared("SELECT 1 / %(number)s::int", {"number": 0})
