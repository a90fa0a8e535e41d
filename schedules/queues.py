"""What waits in the queues of the broker: read, never changed."""

import json
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

UNREACHABLE = (OperationalError, RedisError, OSError)

MOST_READ = 1_000


class Queues:
    """Queues as they are during one look, each read at most once: queues("celery") are the ids that wait there."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._read: dict[str, frozenset[str] | None] = {}
        self.is_away = False

    def __call__(self, name: str) -> frozenset[str] | None:
        """The ids of the messages in it; None when they are too many to read, or when the broker is away."""
        if name not in self._read and not self.is_away:
            try:
                self._read[name] = waiting_in(name, self._connection)
            except UNREACHABLE as error:
                if is_no_queue(error):
                    self._read[name] = None
                else:
                    self.is_away = True
        return self._read.get(name)


def is_no_queue(error: BaseException) -> bool:
    """Whether the broker is there, but something else bears the queue's name."""
    return "WRONGTYPE" in str(error)


def waiting_in(queue: str, connection: Any) -> frozenset[str] | None:
    """The ids of the messages that wait in the queue; None when there are more than MOST_READ."""
    channel = connection.default_channel
    ids: set[str] = set()
    for priority in channel.priority_steps:
        messages = channel.client.lrange(channel._q_for_pri(queue, priority), 0, MOST_READ)
        ids.update(map(id_of, messages))
        if len(messages) > MOST_READ:
            return None
    return frozenset(ids)


def crowd(queue: str, schedule: str, connection: Any, *, most: int) -> int:
    """How many messages of a schedule wait in a queue, among the newest; 0 while it holds fewer than `most` in all."""
    channel = connection.default_channel
    if channel._size(queue) < most:
        return 0
    newest = [
        message
        for priority in channel.priority_steps
        for message in channel.client.lrange(channel._q_for_pri(queue, priority), 0, MOST_READ)
    ]
    return sum(header_of(message, "periodic_task_name") == schedule for message in newest)


def id_of(message: bytes) -> str:
    return header_of(message, "id")


def header_of(message: bytes, name: str) -> str:
    """Empty for what is no message of Celery's, or has no such header."""
    try:
        return str(json.loads(message)["headers"][name])
    except (ValueError, TypeError, KeyError):
        return ""
