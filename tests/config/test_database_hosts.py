"""New sessions go to the host that answers, whatever the others do: hosts and addresses that swallow what is sent."""

import os
import socket
from contextlib import ExitStack
from threading import Event, Thread
from time import monotonic

import pytest
from django.db import OperationalError, connection, connections

from config.env import database
from config.postgresql import hosts
from tests.silence import Slow, silent
from tests.waiting import eventually
from work.racing import HEAD_START_SECONDS

AT_ONCE = HEAD_START_SECONDS / 2
"""Less than anybody waits for who waits for a silent host."""

PATIENCE = 3.0
"""What health waits for the database (config/health.py)."""


@pytest.fixture
def connect(db):
    """A session to the hosts of that name and port, over Django's backend; with the seconds it took to open it."""
    opened = []

    def connect(*places: tuple[str, int], **options) -> tuple[float, object]:
        one = connections.create_connection("default")
        opened.append(one)
        one.settings_dict = one.settings_dict | {
            "HOST": ",".join(host for host, _ in places),
            "PORT": ",".join(str(port) for _, port in places),
            "OPTIONS": one.settings_dict["OPTIONS"] | options,
        }
        began = monotonic()
        one.ensure_connection()
        return monotonic() - began, one

    yield connect
    for one in opened:
        one.close()


@pytest.fixture
def server() -> tuple[str, int]:
    """Where the tests' PostgreSQL listens."""
    return connection.settings_dict["HOST"], int(connection.settings_dict["PORT"] or 5432)


@pytest.fixture
def names(monkeypatch) -> dict[str, list[str] | Event]:
    """What the resolver says of names; one with an Event says nothing before that is set."""
    names: dict[str, list[str] | Event] = {}
    real = socket.getaddrinfo

    def resolve(host, port, *arguments, **options):
        known = names.get(host)
        if known is not None and options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        if isinstance(known, Event):
            known.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        if known is None:
            return real(host, port, *arguments, **options)
        return [info for address in known for info in real(address, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    yield names
    for known in names.values():
        if isinstance(known, Event):
            known.set()


def seconds_to_fail(connect, *places: tuple[str, int], **options) -> float:
    began = monotonic()
    with pytest.raises(OperationalError):
        connect(*places, **options)
    return monotonic() - began


def test_a_silent_host_costs_a_quarter_of_a_second_once(connect, server):
    with silent() as port:
        first, one = connect(("127.0.0.1", port), server)
        others = [connect(("127.0.0.1", port), server)[0] for _ in range(3)]

    assert one.connection.info.port == server[1]
    assert HEAD_START_SECONDS <= first < 1
    assert max(others) < AT_ONCE


def test_however_many_hosts_are_silent_nobody_waits_for_as_long_as_health_does(connect):
    with ExitStack() as stack:
        places = [("127.0.0.1", stack.enter_context(silent())) for _ in range(5)]

        assert seconds_to_fail(connect, *places) < PATIENCE


def test_hosts_that_refuse_are_passed_over_at_once(connect, server):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))

        took, _ = connect(("127.0.0.1", unused.getsockname()[1]), server)

    assert took < AT_ONCE


def test_the_host_that_took_over_is_found_when_the_one_that_was_first_becomes_silent(connect, server):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        other = "127.0.0.1", unused.getsockname()[1]
    connect(server, other)

    with silent(other[1]):
        assert connect(other, server)[0] < 1
        assert connect(server, other)[0] < AT_ONCE


def test_a_name_whose_first_addresses_are_silent_costs_no_timeout_for_each(connect, server, names):
    addresses = [f"127.0.0.{number}" for number in range(2, 6)]
    names["database.test"] = [*addresses, server[0]]
    with ExitStack() as stack:
        for address in addresses:
            stack.enter_context(silent(server[1], address))

        first, _ = connect(("database.test", server[1]))
        second, _ = connect(("database.test", server[1]))

    assert first < len(addresses) * HEAD_START_SECONDS + 1
    assert second < AT_ONCE


def test_a_name_that_moved_is_followed(connect, server, names):
    names["moving.test"] = [server[0]]
    connect(("moving.test", server[1]))
    names["moving.test"] = ["127.0.0.7"]

    with pytest.raises(OperationalError, match=r"127\.0\.0\.7.*refused"):
        connect(("moving.test", server[1]))


def test_a_resolver_that_is_silent_is_waited_for_as_long_as_for_a_host(connect, server, names):
    names["unknown.test"] = Event()

    assert seconds_to_fail(connect, ("unknown.test", server[1]), connect_timeout=1) < 1.5


def test_while_the_resolver_is_silent_the_address_that_was_right_is_used(connect, server, names):
    names["known.test"] = [server[0]]
    connect(("known.test", server[1]))
    names["known.test"] = Event()

    took, _ = connect(("known.test", server[1]))

    assert took < 1


def test_while_somebody_waits_for_the_resolver_the_address_that_was_right_is_used_at_once(connect, server, names):
    names["asked.test"] = [server[0]]
    connect(("asked.test", server[1]))
    names["asked.test"] = Event()
    connect(("asked.test", server[1]))

    took, _ = connect(("asked.test", server[1]))

    assert took < AT_ONCE


def test_where_no_thread_can_be_started_the_database_counts_as_away(connect, server, monkeypatch):
    def start(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)

    with pytest.raises(OperationalError, match="can't start new thread"):
        connect(server)


def test_a_session_that_opens_too_late_is_kept_for_the_next(connect, server):
    options = {"connect_timeout": 1, "sslmode": "disable", "gssencmode": "disable"}
    with Slow(server) as slow:
        seconds_to_fail(connect, ("127.0.0.1", slow.port), **options)
        slow.go_on.set()
        eventually(lambda: hosts._late)

        took, one = connect(("127.0.0.1", slow.port), **options)

        assert one.is_usable()
        assert slow.taken == 1
        one.close()
    assert took < AT_ONCE


def test_errors_of_all_hosts_are_told(connect):
    with silent() as mute, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refusing = unused.getsockname()[1]

        with pytest.raises(OperationalError) as error:
            connect(("127.0.0.1", mute), ("127.0.0.1", refusing), connect_timeout=1)

    assert f"127.0.0.1:{mute}: no answer within 1 s" in str(error.value)
    assert "refused" in str(error.value)


def test_of_several_hosts_the_one_that_writes_is_meant():
    options = database("postgresql://one,two/name")["OPTIONS"]

    assert options["target_session_attrs"] == "read-write"
    assert "target_session_attrs" not in database("postgresql://one/name")["OPTIONS"]


SEVERAL = {
    "service=": ("postgresql:///name?service=two", {}),
    "PGSERVICE": ("postgresql:///name", {"PGSERVICE": "two"}),
    "PGHOST": ("postgresql:///name", {"PGHOST": "one,two"}),
    "PGHOSTADDR": ("postgresql:///name", {"PGHOSTADDR": "127.0.0.2,127.0.0.3"}),
}

ONE = {
    "service=": ("postgresql:///name?service=one", {}),
    "service= before PGSERVICE": ("postgresql:///name?service=one", {"PGSERVICE": "two"}),
    "PGHOST": ("postgresql:///name", {"PGHOST": "one"}),
    "the URL before PGHOST": ("postgresql://one,two/name", {"PGHOST": "one,two"}),
    "the URL before the service": ("postgresql://one,two/name?service=two", {}),
}


@pytest.fixture
def services(tmp_path, monkeypatch) -> None:
    file = tmp_path / "services"
    file.write_text("[one]\nhost=one\n[two]\nhost=one,two\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize(("url", "variables"), SEVERAL.values(), ids=SEVERAL)
def test_several_hosts_that_would_not_race_are_refused(url, variables, monkeypatch, capsys):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit):
        database(url)

    assert "must name the hosts itself" in capsys.readouterr().err


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize(("url", "variables"), ONE.values(), ids=ONE)
def test_one_host_may_come_from_a_service_or_a_variable(url, variables, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert database(url)["NAME"] == "name"
    assert {name: value for name, value in os.environ.items() if name in variables} == variables


@pytest.mark.parametrize(
    "query",
    ["target_session_attrs=prefer-standby", "target_session_attrs=standby", "connect_timeout=0", "connect_timeout=-1"],
)
def test_a_url_that_leads_to_no_writes_or_has_no_end_is_refused(query, capsys):
    with pytest.raises(SystemExit):
        database(f"postgresql://one,two/name?{query}")

    assert "DATABASE_URL" in capsys.readouterr().err
