"""Clients that are slow to send or to read, of which none may hold up another."""

import os
import random
import resource
import signal
from collections import deque
from contextlib import ExitStack, suppress

import pytest

from tests.waiting import eventually
from tests.webserver.application import MOST, PART, PARTS
from tests.webserver.clients import GET, Client, Server, children, chunked, post

MANY = 500
PROMPT = 5
"""Seconds, on a busy machine; tests/e2e/test_slow_clients.py is stricter. To wait for a slow client takes longer."""

HALVES = {
    "nothing": b"",
    "half a request line": b"GET / HTT",
    "half a head": b"GET / HTTP/1.1\r\nHost: x\r\nX-Sl",
    "half a body": post(b"half", "Content-Length: 1000"),
    "half a chunk": post(b"ff\r\nhalf", "Transfer-Encoding: chunked"),
    "half a body for the disk": post(b"x" * 100_000, "Content-Length: 200000"),
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_requests_that_come_to_a_halt_hold_up_nobody(server, half):
    with ExitStack() as stack:
        slow = [stack.enter_context(server.connect(half)) for _ in range(MANY)]

        for _ in range(3):
            with server.connect(GET) as client:
                assert client.response().status == 200
                assert client.age < PROMPT
            for client in slow:
                client.send(b"y" if half else b"")


def test_connections_that_are_kept_alive_hold_up_nobody(server):
    with ExitStack() as stack:
        idle = [stack.enter_context(server.connect(GET)) for _ in range(MANY)]
        assert {client.response().status for client in idle} == {200}

        with server.connect(GET) as client:
            assert client.response().status == 200
            assert client.age < PROMPT
        idle[0].send(GET)
        assert idle[0].response().status == 200


def test_what_takes_too_long_is_408_and_a_connection_without_a_request_closed_without_a_word(hasty):
    with ExitStack() as stack:
        clients = {name: stack.enter_context(hasty.connect(half)) for name, half in HALVES.items()}
        trickling = stack.enter_context(hasty.connect(post(b"", "Content-Length: 1000")))
        trickling.socket.setblocking(False)

        def is_answered() -> bool:
            trickling.send(b"x")
            return trickling.socket.recv(12) == b"HTTP/1.1 408"

        assert eventually(is_answered, within=5)
        assert clients.pop("nothing").rest() == b""
        for client in clients.values():
            response = client.response()
            assert (response.status, response.headers["connection"]) == (408, "close")
            assert client.rest() == b""


def test_a_body_that_keeps_pace_may_take_longer(hasty):
    """Five seconds above the one that each body has: what was sent counts, not what was announced."""
    with hasty.connect(post(b"x" * 250_000, "Content-Length: 250001")) as client:
        with hasty.connect(post(b"x", "Content-Length: 250001")) as slower:
            assert slower.response().status == 408
        client.send(b"x")

        assert len(client.response().said["body"]) == 250_001


@pytest.mark.parametrize("path", ["/large", "/large-in-chunks"])
def test_a_client_that_does_not_read_holds_up_nobody_and_gets_the_whole_in_the_end(server, path):
    with ExitStack() as stack:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        slow = [stack.enter_context(server.connect(request, receive_buffer=4096)) for _ in range(20)]
        for client in slow:
            assert client.file.read(12) == b"HTTP/1.1 200"

        with server.connect(GET) as client:
            assert client.response().status == 200
            assert client.age < PROMPT

        whole = PART * PARTS if path == "/large" else chunked(*[PART] * PARTS)
        for client in slow[:3]:
            assert client.rest().partition(b"\r\n\r\n")[2] == whole


def test_a_response_that_is_not_read_any_more_is_ended_and_the_application_told(hasty):
    with hasty.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", receive_buffer=4096) as client:
        assert client.file.read(12) == b"HTTP/1.1 200"

        assert eventually(hasty.closed.exists, within=10)
        assert len(client.rest()) < len(PART) * PARTS
    hasty.closed.unlink()


def test_a_client_that_goes_away_ends_its_response(server):
    with server.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", receive_buffer=4096) as client:
        assert client.file.read(12) == b"HTTP/1.1 200"
        server.closed.unlink(missing_ok=True)

    assert eventually(server.closed.exists)


def test_a_new_connection_costs_the_one_that_has_been_idle_for_longest(hasty):
    with ExitStack() as stack:
        half = stack.enter_context(hasty.connect(b"GET / HTT"))
        idle = []
        for _ in range(9):
            idle.append(stack.enter_context(hasty.connect(GET)))
            assert idle[-1].response().status == 200

        new = stack.enter_context(hasty.connect(GET))

        assert new.response().status == 200
        assert idle[0].rest() == b""
        half.send(b"P/1.1\r\nHost: x\r\n\r\n")
        assert half.response().status == 200
        idle[8].send(GET)
        assert idle[8].response().status == 200


def test_more_half_requests_than_there_is_room_for_hold_up_nobody(hasty):
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(hasty.connect(b"GET / HTT"))

        assert hasty.ask(GET).status == 200


def test_a_process_that_may_open_few_files_serves_all_the_same(directory):
    with Server(directory, HEAD_SECONDS="1") as server:
        (worker,) = [int(pid) for pid in children(server.process.pid)]
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (64, 64))
        with ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(server.connect(b"GET / HTT"))

            assert server.ask(GET).status == 200
        assert os.path.exists(f"/proc/{worker}")


def test_whatever_clients_do_leaves_nothing_behind(directory):
    """Requests whole, cut off anywhere and one after the other, by clients that read, do not, and go away."""
    lots = random.Random(12)
    whole = [
        GET, post(chunked(b"x" * 70_000, b"y"), "Transfer-Encoding: chunked"),
        post(b"0\r\nx", "Transfer-Encoding: chunked"), post(b"x" * 200_000, "Content-Length: 200000"),
        b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", b"nonsense\r\n\r\n",
        post(b"x", f"Content-Length: {MOST + 1}"), b"GET /too-short HTTP/1.1\r\nHost: x\r\n\r\n",
    ]  # fmt: skip
    with Server(directory, CONNECTIONS="30") as server:
        (worker,) = children(server.process.pid)
        eventually(lambda: server.ask(GET))
        files = os.listdir(f"/proc/{worker}/fd")

        clients = deque[Client]()
        for _ in range(600):
            content = b"".join(lots.choices(whole, k=lots.randint(1, 3)))
            client = server.connect(receive_buffer=4096)
            clients.append(client)
            client.socket.setblocking(False)
            with suppress(OSError):
                client.send(content[: lots.randint(1, len(content))])
            with suppress(OSError):
                client.socket.recv(lots.choice([1, 100_000]))
            while len(clients) > 40:
                clients.popleft().close()
        for client in clients:
            client.close()

        eventually(lambda: len(os.listdir(f"/proc/{worker}/fd")) <= len(files), within=10)
        assert server.ask(GET).status == 200
        assert "A connection failed" not in server.log.read_text()
        assert "Traceback" not in server.log.read_text()


def test_a_process_that_is_recycled_does_not_wait_for_who_does_not_read(directory):
    """An only process is away until then: `graceful_timeout` would be 15 s."""
    with Server(directory, MAX_REQUESTS="10") as server, ExitStack() as stack:
        (worker,) = children(server.process.pid)
        request = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
        for _ in range(3):
            unread = stack.enter_context(server.connect(request, receive_buffer=4096))
            assert unread.file.read(12) == b"HTTP/1.1 200"
        while "Autorestarting" not in server.log.read_text():
            assert server.ask(GET).status == 200

        eventually(lambda: children(server.process.pid) not in ([], [worker]), within=10)
        assert server.ask(GET).status == 200


def test_a_stop_waits_for_what_is_being_done_and_not_for_who_is_slow(directory):
    with Server(directory) as server, ExitStack() as stack:
        at_work = stack.enter_context(server.connect(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"))
        half = stack.enter_context(server.connect(b"GET / HTT"))
        idle, silent = stack.enter_context(server.connect(GET)), stack.enter_context(server.connect(GET))
        assert idle.response().status == silent.response().status == 200

        server.process.send_signal(signal.SIGTERM)
        eventually(server.is_refusing, every=0.02)
        idle.send(b"GET /let-go HTTP/1.1\r\nHost: x\r\n\r\n")

        response = idle.response()
        assert (response.status, response.headers["connection"]) == (200, "close")
        response = at_work.response()
        assert (response.status, response.headers["connection"]) == (200, "keep-alive")
        assert half.response().status == 408
        assert silent.rest() == b""
        assert server.process.wait(10) == 0
