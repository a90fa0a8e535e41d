"""The poller accepts connections, and nothing that accept(2) answers ends it."""

import os
import socket
from contextlib import ExitStack, closing

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from tests.webserver.application import Worker
from webserver.worker import ACCEPTED_AT_ONCE


class Listener(socket.socket):
    """Answers accept(2) with `error` as long as there is one."""

    error = 0

    def accept(self):
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
    worker.set_accepting(True)
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

        worker.turn()
        assert len(worker.connections) == ACCEPTED_AT_ONCE
        worker.turn()
        assert len(worker.connections) == ACCEPTED_AT_ONCE + 10
