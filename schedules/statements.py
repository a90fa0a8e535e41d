"""Plain SQL: run a statement, read its rows, hand it rows."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import InterfaceError, InternalError, OperationalError, connection
from psycopg.types.json import Jsonb

PAUSE_SECONDS = 0.5
"""Between two tries to write down what must not be forgotten."""


def fetch(sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def execute(sql: str, parameters: Mapping[str, Any] | None = None) -> int:
    """Returns how many rows that was."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def insist(sql: str, parameters: Mapping[str, Any], *, within: timedelta) -> int:
    """As `execute`, and for so long again over a new connection where that fails: for what may be carried out twice."""
    until = monotonic() + within.total_seconds()
    while True:
        try:
            return execute(sql, parameters)
        except (OperationalError, InterfaceError, InternalError):
            if connection.in_atomic_block or monotonic() >= until:
                raise
        connection.close()
        sleep(PAUSE_SECONDS)


def as_rows(rows: Iterable[Mapping[str, Any]]) -> Jsonb:
    """For jsonb_to_recordset."""
    return Jsonb(list(rows), dumps=Encoder().encode)


def plain(text: str) -> str:
    """Text that PostgreSQL takes: what an error says may hold anything."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()


class Encoder(DjangoJSONEncoder):
    """Django's own cuts times to milliseconds."""

    def default(self, value: Any) -> Any:
        return value.isoformat() if isinstance(value, datetime) else super().default(value)
