"""What an SQLSTATE says about the server: whether it is its own state that keeps it from doing what is asked.

psycopg sorts errors by the class that the SQL standard gives them, in which a server that has become a standby
(25006, InternalError) stands beside a defect of ours, and a statement that is too complex (54001, OperationalError)
beside a full disk. Here each state was looked at: https://www.postgresql.org/docs/current/errcodes-appendix.html.
What is the server's state becomes an OperationalError, and no other error does.
"""

from psycopg.errors import FeatureNotSupported

CLASSES = {
    "08",  # the connection; poolers tell their own troubles so, too
    "28",  # it does not let us in
    "3D",  # the database is not there
    "40",  # another transaction crossed this one
    "53",  # no disk, no memory, no session left
    "57",  # an operator or a time limit has ended it; it starts, or stops
    "58",  # the operating system refuses, such as after an error of the disk
    "72",  # the snapshot is too old
    "F0",  # its configuration
    "XX",  # a table or an index is damaged, or it has a defect
}
STATES = {
    "25006",  # it takes no writes: a standby, or default_transaction_read_only
    "25P03",  # the transaction was idle for too long
    "25P04",  # the transaction took too long
    "26000",  # the session has lost a prepared statement: a pooler gave it away
    "42501",  # it does not let us do that: rights that were withdrawn
    "42P05",  # the session has a prepared statement that it should not have: the same
    "54000",  # among others: it gives out no transaction ids any more
    "55000",  # it is not in the state for that
    "55006",  # somebody else has it in use
    "55P03",  # a lock was not to be had in time
}

OUTDATED_PLAN = "RevalidateCachedQuery"
"""The function of PostgreSQL in which 0A000 means that a table has changed since a statement was prepared."""

ENDING_CLASSES = {"08", "28", "3D", "XX"}
ENDING_STATES = {"25006", "25P03", "25P04", "26000", "42P05", "53200", "57P01", "57P02", "57P03", "57P04", "57P05"}
"""After these another session may do better: it can be one with another server, and has other memory and statements."""


def is_of_the_server(error: BaseException) -> bool | None:
    """Whether it is the state of the server; None if the error has no SQLSTATE, as when there was no connection."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        return None
    return state[:2] in CLASSES or state in STATES or is_outdated_plan(error)


def ends_session(error: BaseException) -> bool:
    state = getattr(error, "sqlstate", None) or ""
    return state[:2] in ENDING_CLASSES or state in ENDING_STATES or is_outdated_plan(error)


def is_outdated_plan(error: BaseException) -> bool:
    return isinstance(error, FeatureNotSupported) and error.diag.source_function == OUTDATED_PLAN
