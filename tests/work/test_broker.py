"""A Redis that answers and refuses to work, and names with addresses that are silent."""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest
from celery import current_app
from redis import Redis
from redis.exceptions import RedisError, ResponseError, TimeoutError

from tests.broker import OwnBroker
from tests.silence import silent
from tests.waiting import eventually
from work import bell, broker
from work.broker import TlsConnection, Transport, check_writes, refusal

QUEUES = ["celery", "deliver"]


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory):
    with OwnBroker(tmp_path_factory.mktemp("broker")) as own_broker:
        yield own_broker


@pytest.fixture
def admin(own_broker):
    with Redis.from_url(own_broker.url()) as admin:
        yield admin
        admin.replicaof("NO", "ONE")
        admin.config_set("min-replicas-to-write", 0)
        admin.config_set("maxmemory", 0)
        admin.config_set("stop-writes-on-bgsave-error", "no")
        admin.flushall()


def becomes_a_replica(admin: Redis, directory: Path) -> None:
    admin.replicaof("127.0.0.1", "1")


def misses_its_replicas(admin: Redis, directory: Path) -> None:
    admin.config_set("min-replicas-to-write", 1)


def has_no_memory(admin: Redis, directory: Path) -> None:
    admin.config_set("maxmemory", 1)


def cannot_save(admin: Redis, directory: Path) -> None:
    """A directory lies where it would put its data."""
    (directory / "dump.rdb").mkdir()
    admin.config_set("stop-writes-on-bgsave-error", "yes")
    admin.config_set("save", "3600 1")
    admin.bgsave()
    eventually(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err")


def holds_something_else(admin: Redis, directory: Path) -> None:
    admin.set("deliver", "no queue")


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (becomes_a_replica, "ReadOnlyError"),
        (misses_its_replicas, "NOREPLICAS"),
        (has_no_memory, "OutOfMemoryError"),
        (cannot_save, "MISCONF"),
        (holds_something_else, "WRONGTYPE"),
    ],
)
@pytest.mark.django_db
def test_a_redis_that_answers_and_takes_no_writes_is_named_with_the_reason(
    client, settings, own_broker, admin, trouble: Callable[[Redis, Path], None], kind
):
    settings.CELERY_BROKER_URL = own_broker.url()
    assert client.get("/readyz").json()["down"] == []

    trouble(admin, own_broker.directory)

    answer = client.get("/readyz").json()
    assert answer["down"] == ["broker"]
    assert f"({kind})" in answer["checks"]["broker"]


@pytest.mark.parametrize("rights", ["~* +@all resetchannels", "~* &* +@all -@write", "~celery &* +@all"])
@pytest.mark.django_db
def test_a_redis_that_permits_too_little_is_named(client, settings, own_broker, admin, rights):
    admin.execute_command("ACL", "SETUSER", "tasks", "reset", "on", ">secret", *rights.split())
    settings.CELERY_BROKER_URL = own_broker.url().replace("//", "//tasks:secret@")

    answer = client.get("/readyz").json()

    assert answer["down"] == ["broker"]
    assert "(NoPermissionError)" in answer["checks"]["broker"]


def test_the_check_leaves_nothing_behind_and_no_worker_sees_it(own_broker, admin):
    admin.lpush("celery", "waiting")
    taken = []
    with Redis.from_url(own_broker.url()) as worker, broker.client(own_broker.url(), timeout=2) as checking:
        waits = Thread(target=lambda: taken.append(worker.brpop("deliver", timeout=20)))
        waits.start()
        eventually(lambda: admin.info("clients")["blocked_clients"] == 1)

        for _ in range(20):
            check_writes(checking, QUEUES)

        assert (admin.lrange("celery", 0, -1), admin.exists("deliver")) == ([b"waiting"], 0)
        admin.lpush("deliver", "work")
        waits.join()
    assert taken == [(b"deliver", b"work")]


def test_a_worker_is_connected_only_once_writes_are_taken(own_broker, admin):
    admin.replicaof("127.0.0.1", "1")
    connection = current_app.connection_for_read(own_broker.url())

    with pytest.raises(connection.connection_errors):
        connection.connect()

    admin.replicaof("NO", "ONE")
    connection.connect()
    assert isinstance(connection.transport, Transport)
    connection.release()


@pytest.mark.django_db
def test_a_ring_that_redis_refuses_is_no_error(settings, own_broker, admin, monkeypatch):
    monkeypatch.setattr(current_app.conf, "broker_write_url", own_broker.url())
    admin.replicaof("127.0.0.1", "1")

    assert bell.ring("reminders.deliver", queue="deliver") == 0


@pytest.fixture
def four_silent_addresses(monkeypatch, own_broker):
    """Of the name broker.test, of which the fifth is that of the broker."""
    addresses = [f"127.0.0.{number}" for number in range(2, 6)]
    real = socket.getaddrinfo

    def resolve(host, port, *arguments, **options):
        if host != "broker.test":
            return real(host, port, *arguments, **options)
        if options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        return [info for address in [*addresses, "127.0.0.1"] for info in real(address, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with ExitStack() as stack:
        for address in addresses:
            stack.enter_context(silent(own_broker.port, address))
        yield own_broker.url().replace("127.0.0.1", "broker.test")


def test_a_name_with_silent_addresses_costs_one_timeout_and_not_one_for_each(four_silent_addresses):
    with broker.client(four_silent_addresses, timeout=2) as redis:
        began = monotonic()
        assert redis.ping()
        took = monotonic() - began
    connection = current_app.connection_for_write(four_silent_addresses)
    began = monotonic()
    connection.connect()
    also_took = monotonic() - began
    connection.release()

    assert max(took, also_took) < 2


def test_silence_is_told_within_one_timeout():
    with silent() as port, broker.client(f"redis://127.0.0.1:{port}/0", timeout=0.5) as redis:
        began = monotonic()
        with pytest.raises(TimeoutError):
            redis.ping()

    assert monotonic() - began < 1


def test_rediss_keeps_its_tls():
    """To an address that refuses: what counts is by which class it is tried."""
    connection = current_app.connection_for_write("rediss://127.0.0.1:1/0")
    channel = Transport.Channel

    assert connection.ssl
    assert connection.transport_cls == "rediss"
    assert isinstance(connection.transport, Transport)
    assert channel.connection_class_ssl is TlsConnection


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ResponseError("MISCONF Errors writing to /var/lib/secret"), "MISCONF"),
        (ResponseError("Command # 1 (LPUSH celery) of pipeline caused error: NOREPLICAS Not enough"), "NOREPLICAS"),
        (ResponseError("something else"), "ResponseError"),
    ],
)
def test_only_the_kind_of_a_refusal_is_told(error: RedisError, kind: str):
    assert refusal(error) == kind
