"""The same thing at the same moment, several times over, each on a database connection of its own."""

import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg
from django.db import connection

Result = TypeVar("Result")


def at_once(run: Callable[[], Result], *, times: int) -> list[Result]:
    """Run it in so many threads that start together; return what each returned, in no order."""
    barrier = threading.Barrier(times)
    results: list[Result] = []

    def work() -> None:
        barrier.wait()
        try:
            results.append(run())
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == times, "one of the threads broke; its traceback is above"
    return results


def another_connection() -> "psycopg.Connection[tuple[object, ...]]":
    """A connection of somebody else's, outside Django, to the same database."""
    own = connection.get_connection_params()
    return psycopg.connect(
        **{name: own[name] for name in ("dbname", "user", "password", "host", "port") if name in own}
    )
