"""The connections of one process: how many there may be, and which of them wait for their clients."""

import resource
import selectors
from collections.abc import Callable
from typing import Any

from webserver.connections import Connection, Phase

SPARE_FILES = 100
"""File descriptors that are for neither connections nor their bodies."""


class ConnectionTable:
    def __init__(self, poller: selectors.BaseSelector, *, most: int) -> None:
        self.most = most
        self._poller = poller
        self._all: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._all

    def add(self, connection: Connection) -> None:
        self._all.add(connection)

    def remove(self, connection: Connection) -> None:
        self.stop_waiting(connection)
        self._all.discard(connection)

    def waiting(self) -> list[Connection]:
        """Those that wait for their clients. The others are with a thread, and not to be touched."""
        return [connection for connection in self._all if connection.is_polled]

    def are_full(self) -> bool:
        return len(self._all) >= self.most

    def have_room(self) -> bool:
        """Whether another connection can be had, perhaps at the cost of one that waits for its client."""
        return not self.are_full() or any(connection.is_polled for connection in self._all)

    def longest_idle(self) -> Connection | None:
        """The one to close for another: idle ones first, and of them the one that has been so for longest."""
        return min(self.waiting(), key=lambda connection: (connection.phase, connection.since), default=None)

    def unread_for_longest(self, most_bytes: int, *, beside: Connection) -> list[Connection]:
        """The responses to end, so that those that are left hold no more than `most_bytes`, `beside` not counted."""
        sending = [other for other in self.waiting() if other.phase == Phase.SENDING and other is not beside]
        excess = sum(connection.outgoing.held_bytes for connection in sending) - most_bytes
        ended: list[Connection] = []
        for connection in sorted(sending, key=lambda connection: connection.since) if excess > 0 else []:
            if excess <= 0:
                break
            excess -= connection.outgoing.held_bytes
            ended.append(connection)
        return ended

    def wait_for(self, connection: Connection, events: int, callback: Callable[[Any], None]) -> None:
        if not connection.is_polled:
            self._poller.register(connection.socket, events, callback)
            connection.is_polled = True

    def stop_waiting(self, connection: Connection) -> None:
        if connection.is_polled:
            self._poller.unregister(connection.socket)
            connection.is_polled = False


def allow_files(connections: int) -> int:
    """How many connections the limit on open files leaves room for, each with a body; raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, (soft - SPARE_FILES) // 2))
