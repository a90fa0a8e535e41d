"""The servers live as long as somebody uses them, and not longer."""

import os
from collections.abc import Callable
from pathlib import Path

import psycopg

from launcher import servers
from tests.launcher.launching import User, answers, eventually, is_gone, keeper_pid, processes_of, server_pid

Start = Callable[..., User]


def test_the_last_one_out_stops_them(start_user: Start, data_dir: Path) -> None:
    first, second = start_user(), start_user()
    valkey = server_pid(data_dir, "broker")
    assert second.answer

    first.leave()
    assert not servers.wait_until_stopped(data_dir)
    assert answers(first.database)
    second.leave()

    assert servers.wait_until_stopped(data_dir)
    assert processes_of(data_dir) == []
    assert is_gone(valkey)


def test_a_user_that_is_killed_is_gone_like_any_other(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    valkey = (user.answer, server_pid(data_dir, "broker"))[1]

    user.kill()

    eventually(lambda: processes_of(data_dir) == [] and is_gone(valkey), seconds=5)


def test_a_fork_of_a_user_is_a_user(start_user: Start, data_dir: Path) -> None:
    user = start_user(manner="fork")
    fork = int(user.answer["pid"])
    user.process.wait(10)

    assert not servers.wait_until_stopped(data_dir)
    os.kill(fork, 9)

    assert servers.wait_until_stopped(data_dir)


def test_a_user_that_comes_while_they_stop_gets_new_ones(start_user: Start, data_dir: Path) -> None:
    for _ in range(4):
        user = start_user()
        assert answers(user.database)
        keeper = keeper_pid(data_dir)
        user.kill()
        # No wait here: the next one arrives at any point of the keeper's end.
        late = start_user()
        assert answers(late.database)
        assert answers(late.broker)
        late.kill()
        eventually(lambda keeper=keeper: is_gone(keeper))


def test_data_and_addresses_are_the_same_next_time(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    with psycopg.connect(user.database) as connection:
        connection.execute("CREATE TABLE kept ()")
    user.leave()
    assert servers.wait_until_stopped(data_dir)

    again = start_user()

    with psycopg.connect(again.database) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == ("kept",)
    assert (again.database, again.broker) == (user.database, user.broker)


def test_servers_whose_directory_is_deleted_stop(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    keeper = (user.answer, keeper_pid(data_dir))[1]

    data_dir.rename(data_dir.with_name("away"))

    eventually(lambda: is_gone(keeper))
    newcomer = start_user()
    assert newcomer.database != user.database
