"""The broker in tests. It may be a server of the developer's, so only our own queues are emptied."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis

QUEUES = ["celery", "deliver"]


@contextmanager
def quiet_broker(url: str) -> Iterator["Redis[bytes]"]:
    """A client of the broker, whose queues are empty before and after."""
    with Redis.from_url(url) as redis:
        empty(redis)
        yield redis
        empty(redis)


def empty(redis: "Redis[bytes]") -> None:
    redis.delete(*QUEUES)
