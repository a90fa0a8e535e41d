"""Django's backend for PostgreSQL, with less work for each request, and with errors that say whose fault it is.

A connection that is kept between requests is checked before use. Django asks the server each time; here the socket
is looked at first. A server that ends a session says so, and so does a connection that breaks: the socket becomes
readable, and then the server is asked. If it went away without a word, either way learns so by the TCP timeouts alone.

An OperationalError says that the server cannot do what is asked in the state in which it is (states.py); after some of
these errors the session is not used again. A new session goes to the first host that answers (hosts.py).

Instants are read by psycopg's own loader, in C. Django's, in Python, can do with sessions whose time zone is not UTC;
none of ours has another.
"""

from types import TracebackType
from typing import Any

from django.db import OperationalError, ProgrammingError
from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper
from django.utils.functional import cached_property
from psycopg import OperationalError as PsycopgOperationalError
from psycopg.pq import TransactionStatus
from psycopg.types.datetime import TimestamptzLoader

from config.postgresql import hosts
from config.postgresql.states import ends_session, is_of_the_server


class DatabaseWrapper(base.DatabaseWrapper):
    unfit: Any = None
    """psycopg's connection whose session is not to be used again."""

    @cached_property
    def wrap_database_errors(self) -> DatabaseErrorWrapper:
        return ErrorWrapper(self)

    def is_usable(self) -> bool:
        """Whether the connection can be used, as far as can be known before it is."""
        if self.connection is not None and self.connection is self.unfit:
            return False
        return self._is_quiet() or bool(super().is_usable())

    def _is_quiet(self) -> bool:
        """Whether the session is idle and nothing has come from the server, not even the end of the connection."""
        if self.connection is None or self.connection.info.transaction_status != TransactionStatus.IDLE:
            return False
        return hosts.is_quiet(self.connection)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        return hosts.connect(conn_params, super().get_new_connection)

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = super().create_cursor(name)
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        return cursor


class ErrorWrapper(DatabaseErrorWrapper):
    """Makes Django's errors of psycopg's."""

    wrapper: DatabaseWrapper

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            return
        if ends_session(error):
            self.wrapper.unfit = self.wrapper.connection
        is_operational, is_the_servers = isinstance(error, PsycopgOperationalError), is_of_the_server(error)
        if is_the_servers is None or is_the_servers == is_operational:
            super().__exit__(kind, error, traceback)
            return
        self.wrapper.errors_occurred = True
        better = OperationalError if is_the_servers else ProgrammingError
        raise better(*error.args).with_traceback(traceback) from error
