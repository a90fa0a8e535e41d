"""Waiting for an event, instead of sleeping for as long as it might take."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], *, within: float = 30.0, every: float = 0.1) -> Found:
    """What `look` returns, once it is true; AssertionError with its last answer when it is not in time.

    An exception counts as "not yet", since a server that is starting refuses connections.
    """
    end = time.monotonic() + within
    while True:
        try:
            last: object = look()
            if last:
                return last  # type: ignore[return-value]
        except Exception as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s; the last look gave {last!r}")
        time.sleep(every)
