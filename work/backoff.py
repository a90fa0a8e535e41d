"""How long to wait before the next attempt, and how often. Pure: no clock, no database."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Patience:
    """How many attempts something is worth; the wait after the first doubles with each, up to `longest`."""

    attempts: int
    first: timedelta
    longest: timedelta

    def after(self, attempts: int) -> timedelta | None:
        """The wait after so many attempts (1 or more); None when they are spent."""
        return None if attempts >= self.attempts else delay_after(attempts, first=self.first, longest=self.longest)


def delay_after(failures: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """The wait after so many failures (1 or more): `first`, doubling, at most `longest`."""
    doublings = min(failures - 1, 62)  # enough for any span, and within what a timedelta can hold below
    return timedelta(seconds=min(first.total_seconds() * 2**doublings, longest.total_seconds()))
