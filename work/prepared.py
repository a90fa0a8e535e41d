"""Statements that one session runs again and again."""

from typing import Any

import psycopg
from django.db import connection


def fetch_prepared(sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement that PostgreSQL plans once a session, not each time.

    Django writes the parameters into the text, so that every execution is another statement. Here they are sent beside
    it: PostgreSQL must see of what type each is, so one that it cannot tell from its place has a cast.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql.encode(), parameters, prepare=True)
        return cursor.fetchall()
