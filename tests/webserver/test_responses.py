"""What the application answers reaches the client, or the log."""

import errno
from contextlib import ExitStack

import pytest

from tests.waiting import eventually
from tests.webserver.application import PART, PARTS
from tests.webserver.clients import GET, Server


def head(path: str) -> bytes:
    return f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_only_the_first_part_of_a_body_is_made_for_head(directory):
    """The rest may be long, or without an end. The application is told that nobody wants it."""
    with Server(directory) as server, server.connect(head("/first-part-only") + GET) as client:
        status = client.file.readline()
        headers = list(iter(client.file.readline, b"\r\n"))

        assert status.startswith(b"HTTP/1.1 200")
        assert f"Content-Length: {len(PART) * PARTS}\r\n".encode() in headers
        assert client.response().said["REQUEST_METHOD"] == "GET"
        assert server.closed.exists()
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize(
    "error", [errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN, errno.ETIMEDOUT], ids=errno.errorcode.get
)
def test_a_connection_of_the_application_that_breaks_is_a_failure_of_the_application(directory, error):
    """And not taken for a client that is gone, who would get nothing, and the log neither."""
    with Server(directory) as server:
        response = server.ask(f"GET /upstream-is-gone?{error} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

        assert response.status == 500
        assert "the upstream of the application" in server.log.read_text()


def test_one_that_breaks_in_the_middle_of_a_response_is_logged(directory):
    with Server(directory) as server, server.connect(b"GET /upstream-goes HTTP/1.1\r\nHost: x\r\n\r\n") as client:
        assert client.rest().endswith(PART)
        assert eventually(lambda: "the upstream of the application" in server.log.read_text(), within=5)


def test_a_client_that_is_gone_is_no_failure(directory):
    with Server(directory) as server:
        with server.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", receive_buffer=4096) as client:
            assert client.file.read(12) == b"HTTP/1.1 200"

        assert eventually(server.closed.exists)
        assert "Traceback" not in server.log.read_text()


def test_responses_that_nobody_reads_have_a_bound_in_memory(directory):
    """Five of 10 MB where there is room for three: those that have waited for longest are ended, and nobody else."""
    request = b"GET /large-at-once HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with Server(directory, UNREAD_BYTES=str(2 * len(PART) * PARTS)) as server, ExitStack() as stack:
        clients = []
        for _ in range(5):
            clients.append(stack.enter_context(server.connect(request, receive_buffer=4096)))
            assert clients[-1].file.read(12) == b"HTTP/1.1 200"
        assert server.ask(GET).status == 200
        eventually(lambda: server.log.read_text().count("for want of memory") == 2, within=5)

        wholes = [client.rest().endswith(PART * PARTS) for client in clients]
        assert wholes == [False, False, True, True, True]
