"""One connection, and where it stands between its client and the application."""

import re
import socket
from collections import deque
from collections.abc import Generator
from contextlib import suppress
from contextvars import Context
from enum import IntEnum
from typing import Any

from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader

from webserver.bodies import Body

RECEIVE_BYTES = 32 * 1024
"""Half of what a body may have in memory, so that the poller never receives what has to be written to the disk."""

END_OF_HEAD = re.compile(rb"\r\n\r\n|(?<!\r)\n")
"""Or a line that ends in LF alone, which the parser refuses."""


class Phase(IntEnum):
    """In the order in which connections are closed to make room for another."""

    CLOSING = 0  # answered for the last time: the poller closes it when the client has, or after CLOSING_SECONDS
    IDLE = 1  # nothing of the next request has come: a first byte moves it on, or the poller closes it
    HEAD = 2  # a part of the head has come
    BODY = 3  # the head has come, and perhaps a part of the body
    SENDING = 4  # a response waits for its client to read
    RUNNING = 5  # a thread is at work for it, and moves it on


class Received(Unreader):  # type: ignore[misc]
    """What was received, for gunicorn's parser, which would read on from a socket."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.buf.write(data)

    def chunk(self, size_hint: int | None = None) -> bytes:
        return b""


class ClientGoneError(Exception):
    """Its client takes no more of a response. No OSError: the application has those of its own."""


class Outgoing:
    """What gunicorn's Response takes for a socket: keeps what is written until `flush` sends it, and never waits."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._parts: deque[memoryview] = deque()

    def sendall(self, data: bytes) -> None:
        if data:
            self._parts.append(memoryview(data))

    send = sendall

    @property
    def held_bytes(self) -> int:
        """The memory that unsent parts take: a part is freed when all of it is sent."""
        return sum(memoryview(part.obj).nbytes for part in self._parts)

    def flush(self) -> bool:
        """Send what the socket takes; whether that was all."""
        while self._parts:
            try:
                sent = self._socket.sendmsg(self._parts)
            except BlockingIOError:
                return False
            except OSError as error:
                raise ClientGoneError from error
            while sent:
                part = self._parts.popleft()
                if sent < len(part):
                    self._parts.appendleft(part[sent:])
                sent -= min(sent, len(part))
        return True


class Connection:
    def __init__(self, sock: socket.socket, client: Any, server: Any, *, now: float) -> None:
        sock.setblocking(False)
        self.socket, self.client, self.server = sock, client, server
        self.phase = Phase.IDLE
        self.since = now
        """When this phase began."""
        self.deadline = now
        self.is_polled = False
        self.unread = bytearray()
        """Received, and not parsed yet: the beginning of a head, or requests that were sent ahead."""
        self.requests = 0
        self.request: Request | None = None
        self.body: Body | None = None
        self.refused_with = 0
        """The status with which the application shall refuse a request whose body was not read to its end."""
        self.response: Generator[None, None, None] | None = None
        self.outgoing = Outgoing(sock)
        self.keeps_alive = False
        self.context: Context | None = None
        self._scanned = 0

    def enter(self, phase: Phase, *, now: float, deadline: float) -> None:
        self.phase, self.since, self.deadline = phase, now, deadline

    def receive(self) -> bytes | None:
        """None if nothing is there; b"" if the client has closed its side, or is gone."""
        try:
            return self.socket.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b""

    def has_head(self) -> bool:
        found = END_OF_HEAD.search(self.unread, max(0, self._scanned - 3))
        self._scanned = 0 if found else len(self.unread)
        return found is not None

    def parse(self, cfg: Any) -> Request:
        """The request whose head has come; raises gunicorn's errors for what is none."""
        self.requests += 1
        received = Received(bytes(self.unread))
        self.unread.clear()
        request = Request(cfg, received, self.client, self.requests)
        self.unread += received.take_buffered()
        return request

    def forget_request(self) -> None:
        if self.body is not None:
            self.unread[:0] = self.body.rest
            self.body.close()
        self.request = self.body = self.response = self.context = None
        self.refused_with = 0
        self.outgoing = Outgoing(self.socket)

    def close(self) -> None:
        with suppress(OSError):
            self.socket.close()
        if self.body is not None:
            self.body.close()
