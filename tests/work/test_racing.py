"""The first of several places that answers, within a time that does not grow with their number."""

import socket
from contextlib import ExitStack
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic

import pytest

from tests.silence import silent
from tests.waiting import eventually
from work import racing
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


@pytest.fixture
def asked(monkeypatch, go_on) -> list[str]:
    """The names that the resolver was asked for, which it cannot find once it may go on."""
    asked: list[str] = []

    def resolve(host: str, *_: object, flags: int = 0, **__: object):
        if not flags:
            asked.append(host)
            go_on.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    yield asked
    go_on.set()
    eventually(lambda: not racing._asked)


def test_a_resolver_that_is_silent_is_waited_for_no_longer_than_for_a_host(asked):
    began = monotonic()

    with pytest.raises(TimeoutError):
        connect("name.test", 80, within=0.5)
    assert monotonic() - began < 1


def test_a_resolver_that_is_silent_has_one_thread_for_each_name_whoever_asks(asked):
    for _ in range(5):
        for name in ("name.test", "other.test"):
            with pytest.raises(TimeoutError):
                connect(name, 80, within=0.05)

    assert asked == ["name.test", "other.test"]


def test_whoever_asks_for_a_name_meanwhile_has_the_same_answer_and_the_next_asks_again(asked, go_on):
    first, second = racing.ask(("name.test", 80)), racing.ask(("name.test", 80))
    go_on.set()

    for answer in (first, second):
        with pytest.raises(socket.gaierror):
            answer.result(timeout=PATIENCE)
    with pytest.raises(socket.gaierror):
        connect("name.test", 80, within=PATIENCE)
    assert asked == ["name.test"] * 2


def test_where_no_thread_can_be_started_nothing_is_opened_without_a_limit(asked, monkeypatch):
    def start(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)

    with pytest.raises(OSError, match="can't start new thread"):
        connect("name.test", 80, within=PATIENCE)
    with pytest.raises(NobodyOpenedError) as nobody:
        Race([lambda: asked.append("opened in this thread")], late=no_late).run(within=PATIENCE)

    assert [type(error) for error in nobody.value.errors.values()] == [BlockingIOError]
    assert asked == []
