"""The poller accepts connections, and nothing that accept(2) answers ends it."""

import errno
import math
import os
import selectors
import socket
from contextlib import ExitStack, closing

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from tests.webserver.application import Worker
from webserver import worker as module
from webserver.worker import ACCEPTED_AT_ONCE

REFUSALS = [
    errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.EINVAL, errno.ENETDOWN,
    errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH,
    errno.ETIMEDOUT,
]  # fmt: skip


class Listener(socket.socket):
    """Answers accept(2) with `error` as long as there is one."""

    error = 0
    asked = 0

    def accept(self):
        self.asked += 1
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        return super().accept()


@pytest.fixture
def listener():
    with Listener() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(500)
        yield listener


@pytest.fixture
def worker(listener):
    """In this process, and turned by the test."""
    config = Config()
    worker = Worker(1, os.getppid(), [listener], None, 30, config, Logger(config))
    worker.open_poller()
    with closing(worker.poller), closing(worker.calls), closing(worker.tmp):
        yield worker
        for connection in worker.connections.waiting():
            worker.drop(connection)
        worker.threads.shutdown()
        worker.disk.shutdown()


def connect(stack, listener):
    return stack.enter_context(socket.create_connection(listener.getsockname()))


def test_a_turn_accepts_many_connections_and_leaves_the_others_to_the_next(worker, listener):
    """A poller with much to read would otherwise let one in for each round of reading."""
    with ExitStack() as stack:
        for _ in range(ACCEPTED_AT_ONCE + 10):
            connect(stack, listener)

        worker.serve_turn()
        assert len(worker.connections) == ACCEPTED_AT_ONCE
        worker.serve_turn()
        assert len(worker.connections) == ACCEPTED_AT_ONCE + 10


@pytest.mark.parametrize("error", REFUSALS, ids=errno.errorcode.get)
def test_a_system_that_refuses_connections_is_asked_again_at_the_next_tick(
    worker, listener, error, monkeypatch, caplog
):  # fmt: skip
    """Other connections stay, but for one a tick that gives its descriptor back where this process has none left."""
    monkeypatch.setattr(module, "TICK_SECONDS", 0.05)
    dropped = error == errno.EMFILE
    with ExitStack() as stack:
        for _ in range(5):
            connect(stack, listener)
        worker.serve_turn()
        most = worker.connections.most
        listener.error, listener.asked = error, 0
        connect(stack, listener)

        for tick in (1, 2):
            worker.next_tick = math.inf
            for _ in range(3):
                worker.serve_turn()
            assert listener.asked == tick
            assert len(worker.connections) == 5 - tick * dropped
            worker.next_tick = 0.0
            worker.serve_turn()
        assert worker.connections.most == most
        assert sum("Cannot accept connections" in message for message in caplog.messages) == 1

        listener.error = 0
        worker.serve_turn()
        assert len(worker.connections) == 6 - 2 * dropped


def test_a_step_that_fails_by_a_defect_ends_neither_the_turn_nor_the_process(worker, listener, caplog):
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    defective, other = socket.socketpair()
    with ExitStack() as stack, defective, other:
        worker.poller.register(defective, selectors.EVENT_WRITE, fail)
        connect(stack, listener)
        worker.serve_turn()
        worker.poller.unregister(defective)

        assert len(worker.connections) == 1
        assert "A step of the poller failed" in caplog.messages


@pytest.mark.parametrize("error", [errno.EAGAIN, errno.ECONNABORTED, errno.EPROTO], ids=errno.errorcode.get)
def test_a_connection_that_is_gone_before_it_is_accepted_delays_no_other(worker, listener, error):
    with ExitStack() as stack:
        connect(stack, listener)
        listener.error = error
        worker.serve_turn()
        assert len(worker.connections) == 0

        listener.error = 0
        worker.serve_turn()
        assert len(worker.connections) == 1
