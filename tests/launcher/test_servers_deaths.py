"""Anything may be killed with -9."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psycopg
import redis

from launcher import bulletin, servers
from tests.launcher.launching import User, answers, eventually, is_gone, keeper_pid, kill, processes_of, server_pid

Start = Callable[..., User]


def test_a_killed_postgres_comes_back_on_its_port_with_its_data(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    with psycopg.connect(user.database) as connection:
        connection.execute("CREATE TABLE kept ()")
    old = server_pid(data_dir, "database")

    kill(old)
    eventually(lambda: is_gone(old))
    eventually(lambda: server_pid(data_dir, "database") != old)

    with psycopg.connect(user.database) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == ("kept",)


def test_a_killed_valkey_comes_back_on_its_port_with_its_data(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    with redis.Redis.from_url(user.broker) as client:
        client.set("kept", "yes")
        client.waitaof(1, 0, 5000)
    old = server_pid(data_dir, "broker")

    kill(old)
    eventually(lambda: is_gone(old))
    eventually(lambda: server_pid(data_dir, "broker") != old)

    with redis.Redis.from_url(user.broker) as client:
        assert client.get("kept") == b"yes"


def test_a_user_that_comes_while_a_server_restarts_waits_for_it(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    assert user.answer

    old = server_pid(data_dir, "database")
    kill(old)
    eventually(lambda: bulletin.remembered(data_dir)["database"]["pid"] != old)
    late = start_user()

    assert late.database == user.database
    with psycopg.connect(late.database) as connection:
        connection.execute("SELECT 1")


def test_the_servers_of_a_killed_keeper_stop(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    assert user.answer
    valkey = server_pid(data_dir, "broker")

    kill(keeper_pid(data_dir))

    eventually(lambda: processes_of(data_dir) == [] and is_gone(valkey), seconds=5)


def test_after_a_killed_keeper_the_next_to_attach_finds_the_same_addresses(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    assert user.answer

    kill(keeper_pid(data_dir))
    late = start_user()

    assert (late.database, late.broker) == (user.database, user.broker)
    assert answers(user.database)
    assert answers(user.broker)


def test_everything_killed_at_once_leaves_nothing_in_the_way(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    assert user.answer

    for pid in (keeper_pid(data_dir), server_pid(data_dir, "database"), server_pid(data_dir, "broker")):
        kill(pid)
    user.kill()

    assert start_user().database == user.database


def test_a_keeper_killed_while_it_makes_the_cluster_leaves_nothing_half_made(
    start_user: Start, empty_dir: Path
) -> None:
    user = start_user()
    eventually(lambda: list(empty_dir.glob("postgres.new-*/data/PG_VERSION")))

    kill(keeper_pid(empty_dir))

    # The user itself notices that its keeper is gone, and starts another.
    assert answers(user.database)
    assert list(empty_dir.glob("postgres.new-*")) == []


def test_a_server_that_outlived_its_keeper_is_stopped_by_the_next(start_user: Start, data_dir: Path) -> None:
    """As where there is no parent-death signal: the servers are frozen when it comes, so that they are still
    there."""
    user = start_user()
    assert user.answer
    old = [server_pid(data_dir, key) for key in ("database", "broker")]

    for pid in old:
        signal_stop(pid)
    kill(keeper_pid(data_dir))
    eventually(lambda: bulletin.living(data_dir) is None)
    late = start_user()

    assert (late.database, late.broker) == (user.database, user.broker)
    assert all(is_gone(pid) for pid in old)


def signal_stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def test_a_keeper_that_is_told_to_stop_stops_its_servers(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    assert user.answer

    os.kill(keeper_pid(data_dir), signal.SIGTERM)

    eventually(lambda: processes_of(data_dir) == [])
    eventually(lambda: not servers.is_kept(data_dir))
