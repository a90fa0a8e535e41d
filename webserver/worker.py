"""The poller: the main thread of a worker process. It never waits for a client, a disk or the application."""

import errno
import math
import os
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any, ClassVar, TypeVar

from gunicorn import util
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import (
    InvalidRequestLine,
    LimitRequestHeaders,
    NoMoreData,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import PollableMethodQueue

from webserver.bodies import Body, BodyTooLargeError, NoRoomError, Spool
from webserver.connections import Connection, Phase
from webserver.limits import CLOSING_SECONDS, MAX_HEAD_BYTES, Limits
from webserver.responses import respond
from webserver.table import ConnectionTable, allow_files

T = TypeVar("T")

TICK_SECONDS = 1.0
"""How often deadlines are looked at."""

STOPPING_IDLE_SECONDS = 2.0
"""How long a stopping worker waits for a request that is on its way on a connection that was kept alive."""

DISK_STEP_BYTES = 1024 * 1024

RECYCLED_STALL_SECONDS = 2.0
"""How long a client may read nothing when its process is recycled: the next process begins after that."""

ACCEPTED_AT_ONCE = 64
"""How many connections are accepted in a row before the open ones have their turn."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BufferingWorker(Worker):  # type: ignore[misc]
    """Subclasses name the `limits` and say how long a body may be. TLS and HTTP/2 are a proxy's."""

    limits: ClassVar[Limits]
    alive: bool

    def body_limit(self, request: Request) -> int:
        """How many bytes the body of this request may have."""
        raise NotImplementedError

    # --- The process -----------------------------------------------------------------------------------------------

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Called by gunicorn in its main process."""
        if cfg.is_ssl:
            raise RuntimeError("This server speaks plain HTTP. Let a proxy in front of it speak TLS.")

    def init_process(self) -> None:
        """Called by gunicorn in the new process; `__init__` is called in the main one."""
        self.open_poller()
        super().init_process()

    def open_poller(self) -> None:
        self.poller = selectors.DefaultSelector()
        self.calls = PollableMethodQueue()
        self.calls.init()
        self.poller.register(self.calls.fileno(), selectors.EVENT_READ, self.calls.run_callbacks)
        self.threads = ThreadPoolExecutor(self.cfg.threads, thread_name_prefix="request")
        self.disk = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self.spool = Spool(self.limits.spool_bytes)
        self.connections = ConnectionTable(self.poller, most=allow_files(self.cfg.worker_connections))
        self.is_recycled = False
        """It ends by `max_requests`, and not because it was told to."""
        self.is_accepting = False
        self.cannot_accept = False
        """The system has refused to accept a connection since the last tick."""
        self.has_failed_to_accept = False
        """That was logged, and clients have waited to be accepted since."""
        self.next_tick = 0.0

    def handle_exit(self, sig: int, frame: Any) -> None:
        if self.alive:
            self.alive = False
            self.calls.defer(lambda: None)

    def handle_quit(self, sig: int, frame: Any) -> None:
        self.threads.shutdown(wait=False)
        self.disk.shutdown(wait=False)
        super().handle_quit(sig, frame)

    def run(self) -> None:
        while self.alive and self.ppid == os.getppid():
            self.serve_turn()
        self.set_accepting(False)
        for listener in self.sockets:  # once nobody else has them open either, clients are refused, and need not wait
            listener.close()
        self.alive = False
        self.end_connections()
        self.threads.shutdown(wait=False)
        self.disk.shutdown(wait=False)
        self.poller.close()
        self.calls.close()

    def end_connections(self) -> None:
        """Answer what has come, with `Connection: close`; whoever sends nothing is waited for less long."""
        now = time.monotonic()
        for connection in self.connections.waiting():
            if connection.phase <= Phase.HEAD:
                connection.deadline = min(connection.deadline, now + STOPPING_IDLE_SECONDS)
            elif connection.phase == Phase.SENDING:
                connection.deadline = min(connection.deadline, now + self.stall_seconds())
        self.next_tick = 0.0
        while self.connections and time.monotonic() < now + self.cfg.graceful_timeout:
            self.turn()
        for connection in self.connections.waiting():
            self.guarded(self.drop, connection)

    def serve_turn(self) -> None:
        self.set_accepting(not self.cannot_accept and self.connections.have_room())
        self.turn()

    def turn(self) -> None:
        for key, _ in self.poller.select(max(0.0, min(TICK_SECONDS, self.next_tick - time.monotonic()))):
            self.guarded(key.data, key.fileobj)
        now = time.monotonic()
        if now >= self.next_tick:
            self.next_tick = now + (TICK_SECONDS if self.alive else TICK_SECONDS / 10)
            self.notify()
            self.cannot_accept = False
            for connection in self.connections.waiting():
                if connection.deadline <= now:
                    self.guarded(self.attempt, connection, self.end_wait)

    def guarded(self, step: Callable[..., None], *arguments: Any) -> None:
        """A defect of ours ends neither the process nor the others of its turn."""
        try:
            step(*arguments)
        except Exception:
            self.log.exception("A step of the poller failed")

    # --- Connections come and go -----------------------------------------------------------------------------------

    def set_accepting(self, wanted: bool) -> None:
        if wanted == self.is_accepting:
            return
        for listener in self.sockets:
            if wanted:
                listener.setblocking(False)
                self.poller.register(listener, selectors.EVENT_READ, self.accept)
            else:
                self.poller.unregister(listener)
        self.is_accepting = wanted

    def accept(self, listener: socket.socket) -> None:
        """Accept what is there, up to a number. A full table has one connection replaced each turn, so that a new one
        has a turn of its own to be read before it is replaced in its turn."""
        for accepted in range(ACCEPTED_AT_ONCE):
            if self.connections.are_full():
                if accepted or (idle := self.connections.longest_idle()) is None:
                    return
                self.drop(idle)
            if not self.accept_one(listener):
                return

    def accept_one(self, listener: socket.socket) -> bool:
        """Return whether there may be another. Whatever accept(2) answers concerns the connection that is lost, or the
        system, and ends by itself: it is tried again at the next tick."""
        if self.cannot_accept:  # on another listener, in this turn
            return False
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno == errno.EAGAIN:
                self.has_failed_to_accept = False
            elif error.errno not in (errno.ECONNABORTED, errno.EPROTO):
                self.stop_accepting(error)
            return False
        now = time.monotonic()
        connection = Connection(sock, client, listener.getsockname(), now=now)
        self.connections.add(connection)
        connection.enter(Phase.IDLE, now=now, deadline=now + self.limits.head_seconds)
        self.attempt(connection, self.read)
        return True

    def stop_accepting(self, error: OSError) -> None:
        """Until the next tick. Only where this process has used up its own descriptors does closing a connection give
        one back for the next."""
        if not self.has_failed_to_accept:
            self.log.warning("Cannot accept connections: %s", error)
        self.has_failed_to_accept = self.cannot_accept = True
        self.set_accepting(False)
        if error.errno == errno.EMFILE and (idle := self.connections.longest_idle()) is not None:
            self.drop(idle)

    def attempt(self, connection: Connection, step: Callable[..., None], *arguments: Any) -> None:
        """A connection that fails, by a defect of ours, ends alone."""
        if connection not in self.connections:  # closed meanwhile, to make room
            return
        try:
            step(connection, *arguments)
        except Exception:
            self.log.exception("A connection failed")
            self.drop(connection)

    def wait_for(self, connection: Connection, events: int = selectors.EVENT_READ) -> None:
        callback = self.read if events == selectors.EVENT_READ else self.resume
        self.connections.wait_for(connection, events, lambda _: self.attempt(connection, callback))

    def drop(self, connection: Connection) -> None:
        self.connections.remove(connection)
        connection.close()
        if connection.phase == Phase.SENDING and connection.response is not None and connection.context is not None:
            # The application's own clean-up, which may take its time.
            self.threads.submit(connection.context.run, connection.response.close)

    def close(self, connection: Connection) -> None:
        """Close it once the client has, so that it can read what was sent."""
        with suppress(OSError):
            connection.socket.shutdown(socket.SHUT_WR)
        connection.forget_request()
        connection.unread.clear()
        now = time.monotonic()
        connection.enter(Phase.CLOSING, now=now, deadline=now + CLOSING_SECONDS)
        self.read(connection)

    def end_wait(self, connection: Connection) -> None:
        """Its deadline has passed."""
        if connection.phase in (Phase.HEAD, Phase.BODY):
            self.connections.stop_waiting(connection)
            what = "head" if connection.phase == Phase.HEAD else "body"
            with suppress(OSError):
                util.write_error(
                    connection.socket, 408, "Request Timeout", f"The {what} of the request came too slowly."
                )
            self.close(connection)
        else:
            self.drop(connection)

    # --- Reading ---------------------------------------------------------------------------------------------------

    def read(self, connection: Connection) -> None:
        if connection.phase == Phase.BODY and connection.body is not None and connection.body.is_for_disk:
            self.connections.stop_waiting(connection)
            self.submit(self.disk, connection, self.receive_to_disk, self.body_received)
            return
        data = connection.receive()
        if data is None:
            self.wait_for(connection)
        elif not data:
            self.drop(connection)
        elif connection.phase == Phase.BODY:
            self.body_received(connection, self.feed(connection, data))
        elif connection.phase != Phase.CLOSING:
            connection.unread += data
            self.read_head(connection)
        else:
            self.wait_for(connection)

    def read_head(self, connection: Connection) -> None:
        now = time.monotonic()
        if connection.phase == Phase.IDLE:
            connection.enter(Phase.HEAD, now=now, deadline=now + self.limits.head_seconds)
        if not connection.has_head():
            if len(connection.unread) > MAX_HEAD_BYTES:
                self.refuse(connection, None, LimitRequestHeaders("the head is too large"))
            else:
                self.wait_for(connection)
            return
        self.connections.stop_waiting(connection)
        try:
            connection.request = connection.parse(self.cfg)
        except (NoMoreData, StopIteration):
            self.refuse(connection, None, InvalidRequestLine("the head is incomplete"))
        except ParseException as error:
            self.refuse(connection, None, error)
        else:
            self.begin_body(connection, connection.request, now)

    def begin_body(self, connection: Connection, request: Request, now: float) -> None:
        reader = request.body.reader
        for name, value in request.headers:
            if name == "TRANSFER-ENCODING" and value.lower() != "chunked":  # nobody here would decode the rest
                self.refuse(connection, request, UnsupportedTransferCoding(value))
                return
        length = None if isinstance(reader, ChunkedReader) else reader.length
        if length == 0:
            self.start(connection)
            return
        try:
            connection.body = Body(self.spool, length=length, most=self.body_limit(request), started_at=now)
        except BodyTooLargeError:
            self.start(connection, refused_with=413)
            return
        connection.enter(Phase.BODY, now=now, deadline=self.limits.body_deadline(now, 0))
        data = bytes(connection.unread)
        connection.unread.clear()
        if not data and request._expected_100_continue:
            with suppress(OSError):
                connection.socket.send(CONTINUE)
        self.body_received(connection, self.feed(connection, data))

    def feed(self, connection: Connection, data: bytes) -> Exception | None:
        assert connection.body is not None  # noqa: S101 (it is being read)
        try:
            connection.body.feed(data)
        except (BodyTooLargeError, NoRoomError, ParseException) as error:
            return error
        return None

    def receive_to_disk(self, connection: Connection) -> Exception | None:
        """In the thread of the disk: one step, so that others have their turn."""
        received = 0
        while received < DISK_STEP_BYTES and connection.body is not None and not connection.body.is_complete:
            data = connection.receive()
            if data is None:
                break
            if not data:
                return ConnectionResetError()
            received += len(data)
            if error := self.feed(connection, data):
                return error
        return None

    def body_received(self, connection: Connection, error: Exception | None) -> None:
        body = connection.body
        assert body is not None  # noqa: S101 (it is being read)
        if error is None and not body.is_complete:
            connection.deadline = self.limits.body_deadline(body.started_at, body.size)
            self.wait_for(connection)
            return
        self.connections.stop_waiting(connection)
        if error is None:
            self.start(connection)
        elif isinstance(error, BodyTooLargeError):
            self.start(connection, refused_with=413)
        elif isinstance(error, NoRoomError):
            self.log.warning("No room on the disk for the body of a request")
            self.start(connection, refused_with=503)
        elif isinstance(error, OSError):
            self.drop(connection)
        else:
            self.refuse(connection, connection.request, error)

    def refuse(self, connection: Connection, request: Request | None, error: Exception) -> None:
        """It is no HTTP: gunicorn's own answer, without the application."""
        self.connections.stop_waiting(connection)
        self.handle_error(request, connection.socket, connection.client, error)
        self.close(connection)

    # --- The application -------------------------------------------------------------------------------------------

    def submit(
        self, pool: ThreadPoolExecutor, connection: Connection,
        work: Callable[[Connection], T], then: Callable[[Connection, T], None],
    ) -> None:  # fmt: skip
        """Have `work` done by a thread, and go on with `then` here."""
        future = pool.submit(work, connection)
        future.add_done_callback(lambda done: self.calls.defer(self.guarded, self.go_on, connection, done, then))

    def go_on(self, connection: Connection, done: "Future[T]", then: Callable[[Connection, T], None]) -> None:
        if error := done.exception():
            self.log.error("A connection failed", exc_info=error)
            self.drop(connection)
        else:
            self.attempt(connection, then, done.result())

    def start(self, connection: Connection, *, refused_with: int = 0) -> None:
        connection.refused_with = refused_with
        connection.keeps_alive = False
        connection.response = respond(self, connection)
        connection.context = copy_context()
        self.resume(connection)

    def resume(self, connection: Connection) -> None:
        self.connections.stop_waiting(connection)
        connection.enter(Phase.RUNNING, now=time.monotonic(), deadline=0.0)
        self.submit(self.threads, connection, advance, self.advanced)

    def advanced(self, connection: Connection, has_ended: bool) -> None:
        now = time.monotonic()
        if not has_ended:
            connection.enter(Phase.SENDING, now=now, deadline=now + self.stall_seconds())
            self.wait_for(connection, selectors.EVENT_WRITE)
            for other in self.connections.unread_for_longest(self.limits.unread_bytes, beside=connection):
                self.log.warning("Ended a response that its client does not read, for want of memory")
                self.drop(other)
        elif connection.keeps_alive:
            connection.forget_request()
            seconds = self.cfg.keepalive if self.alive else STOPPING_IDLE_SECONDS
            connection.enter(Phase.IDLE, now=now, deadline=now + seconds)
            if connection.unread:
                self.read_head(connection)
            else:
                self.wait_for(connection)
        else:
            self.close(connection)

    def count_request(self) -> bool:
        """Count one more; return whether this process serves further ones."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.is_recycled = True
            self.alive = False
        return bool(self.alive)

    def stall_seconds(self) -> float:
        return min(self.limits.stall_seconds, RECYCLED_STALL_SECONDS if self.is_recycled else math.inf)


def advance(connection: Connection) -> bool:
    """In a thread: go on with the response; whether it has ended."""
    assert connection.context is not None  # noqa: S101 (it was started)
    assert connection.response is not None  # noqa: S101 (it was started)
    ended = object()
    return connection.context.run(next, connection.response, ended) is ended
