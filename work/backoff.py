"""How long to wait before the next attempt. Pure: no clock, no database."""

from datetime import timedelta


def delay_after(failures: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """The wait after so many failures (1 or more): `first`, doubling, at most `longest`."""
    doublings = min(failures - 1, 62)  # enough for any span, and within what a timedelta can hold below
    return timedelta(seconds=min(first.total_seconds() * 2**doublings, longest.total_seconds()))
