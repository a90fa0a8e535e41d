"""Django's backend for PostgreSQL, with less work for each request.

A connection that is kept between requests is checked before use. Django asks the server each time; here the socket
is looked at first. A server that ends a session says so, and so does a connection that breaks: the socket becomes
readable, and then the server is asked. If it went away without a word, either way learns so by the TCP timeouts alone.

Instants are read by psycopg's own loader, in C. Django's, in Python, can do with sessions whose time zone is not UTC;
none of ours has another.
"""

from select import POLLIN, poll
from typing import Any

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus
from psycopg.types.datetime import TimestamptzLoader


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Whether the connection can be used, as far as can be known before it is."""
        return self._is_quiet() or bool(super().is_usable())

    def _is_quiet(self) -> bool:
        """Whether the session is idle and nothing has come from the server, not even the end of the connection."""
        if self.connection is None or self.connection.info.transaction_status != TransactionStatus.IDLE:
            return False
        socket = poll()
        socket.register(self.connection.fileno(), POLLIN)
        return not socket.poll(0)

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = super().create_cursor(name)
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        return cursor
