"""The first of several places that answers, within a time that does not grow with their number."""

import socket
from contextlib import ExitStack
from queue import SimpleQueue
from threading import Event
from time import monotonic

import pytest

from tests.silence import silent
from work.racing import HEAD_START_SECONDS, NobodyOpenedError, Race, connect

PATIENCE = 10.0


@pytest.fixture
def go_on():
    go_on = Event()
    yield go_on
    go_on.set()


def refuse() -> str:
    raise ConnectionRefusedError("refused")


def no_late(place: int, opened: object) -> None:
    raise AssertionError("nothing opens late here")


def test_whoever_fails_gives_way_at_once():
    began = monotonic()

    assert Race([refuse, refuse, lambda: "third"], late=no_late).run(within=PATIENCE) == (2, "third")
    assert monotonic() - began < HEAD_START_SECONDS


def test_whoever_is_silent_has_a_head_start_alone(go_on):
    late: SimpleQueue[tuple[int, str]] = SimpleQueue()
    began = monotonic()

    won = Race([lambda: (go_on.wait(PATIENCE) and "first") or "", lambda: "second"], late=lambda *it: late.put(it)).run(
        within=PATIENCE
    )

    assert won == (1, "second")
    assert HEAD_START_SECONDS <= monotonic() - began < 2
    go_on.set()
    assert late.get(timeout=PATIENCE) == (0, "first")


def test_what_answers_is_told_and_the_others_are_silent(go_on):
    race = Race([lambda: go_on.wait(PATIENCE), refuse], late=lambda *_: None)

    with pytest.raises(NobodyOpenedError) as nobody:
        race.run(within=2 * HEAD_START_SECONDS)

    assert list(nobody.value.errors) == [1]


def test_addresses_that_are_silent_share_one_timeout(monkeypatch):
    real = socket.getaddrinfo
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        addresses = [f"127.0.0.{number}" for number in (2, 3, 4, 5)]
        for address in addresses:
            stack.enter_context(silent(port, address))

        def resolve(host: str, port: int, *, flags: int = 0, **options: int):
            if flags:
                raise socket.gaierror(socket.EAI_NONAME, "no number")
            return [info for address in [*addresses, "127.0.0.1"] for info in real(address, port, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with connect("name.test", port, within=2) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
        server.close()
        began = monotonic()
        with pytest.raises(ConnectionRefusedError):
            connect("name.test", port, within=2)
        assert monotonic() - began < 2.5


def test_a_resolver_that_is_silent_is_waited_for_no_longer_than_for_a_host(monkeypatch, go_on):
    def resolve(*_: object, flags: int = 0, **__: object):
        if not flags:
            go_on.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    began = monotonic()

    with pytest.raises(TimeoutError):
        connect("name.test", 80, within=0.5)
    assert monotonic() - began < 1
