"""The first user starts the servers, the others find them."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import redis

from launcher import servers
from launcher.servers import Urls
from tests.launcher.launching import PROGRAMS, User, answers, command_lines, eventually, keeper_pid, processes_of

Start = Callable[..., User]


def test_the_first_user_gets_servers_that_work(start_user: Start, empty_dir: Path) -> None:
    user = start_user()

    with psycopg.connect(user.database) as connection:
        row = connection.execute(
            "SELECT current_user, current_database(), upper('é'), current_setting('fsync')"
        ).fetchone()
    with redis.Redis.from_url(user.broker) as client:
        durable = client.config_get("appendonly")

    assert row == ("taskapp", "taskapp", "É", "on")
    assert durable == {"appendonly": "yes"}


def test_the_role_may_create_databases_and_is_no_superuser(start_user: Start, data_dir: Path) -> None:
    user = start_user(wanted="database")

    with psycopg.connect(user.database) as connection:
        row = connection.execute("SELECT rolcreatedb, rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()

    assert row == (True, False)


def test_a_second_user_shares_the_servers_of_the_first(start_user: Start, data_dir: Path) -> None:
    first = start_user()
    keeper = (first.answer, keeper_pid(data_dir))[1]

    second = start_user()

    assert (second.database, second.broker) == (first.database, first.broker)
    assert keeper_pid(data_dir) == keeper


def test_users_that_start_at_once_get_the_same_servers(start_user: Start, data_dir: Path) -> None:
    users = [start_user() for _ in range(5)]

    urls = {(user.database, user.broker) for user in users}

    assert len(urls) == 1
    # The keepers that came too late leave without a word.
    eventually(lambda: len([line for line in processes_of(data_dir) if "launcher.keeper" in line]) == 1)


def test_attaching_twice_in_a_process_is_attaching_once(data_dir: Path) -> None:
    first = servers.attach(data_dir, database=False, broker=True)
    second = servers.attach(data_dir, database=False, broker=True)

    servers.detach(data_dir)

    assert first == second == Urls(None, first.broker)
    assert servers.wait_until_stopped(data_dir)


def test_only_what_is_asked_for_is_started_and_the_rest_when_it_is(start_user: Start, data_dir: Path) -> None:
    first = start_user(wanted="broker")
    assert first.answer["database"] is None
    assert servers.running(data_dir) == Urls(None, first.broker)

    second = start_user()

    assert second.broker == first.broker
    assert answers(second.database)


def test_two_data_directories_do_not_meet(start_user: Start, data_dir: Path, tmp_path: Path) -> None:
    other_dir = tmp_path / "other"
    one, other = start_user(), start_user(other_dir)

    with psycopg.connect(one.database) as connection:
        connection.execute("CREATE TABLE mine ()")
    with psycopg.connect(other.database) as connection:
        found = connection.execute("SELECT to_regclass('mine')").fetchone()

    assert found == (None,)
    other.leave()
    assert servers.wait_until_stopped(other_dir)
    assert answers(one.database)


def test_no_password_can_be_read_by_others(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    secrets = [url.rpartition("@")[0].rpartition(":")[2] for url in (user.database, user.broker)]

    seen = "\n".join(command_lines())
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in data_dir.rglob("*") if path.is_file()}

    assert not any(secret in seen for secret in secrets)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert not {path: oct(mode) for path, mode in modes.items() if mode & 0o077}


def test_a_wrong_password_is_refused(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    wrong = user.database.replace(user.database.split(":")[2].split("@")[0], "guess")

    refused = subprocess.run(
        [sys.executable, "-c", f"import psycopg; psycopg.connect({wrong!r})"], capture_output=True, check=False
    )

    assert b"password authentication failed" in refused.stderr


def test_command_lines_are_the_usual_ones(start_user: Start, data_dir: Path) -> None:
    start_user().answer  # noqa: B018 - waits until it has attached

    seen = "\n".join(command_lines())

    assert f"postgres -D {data_dir}" in seen
    assert "valkey-server " in seen


def test_peeking_starts_nothing(empty_dir: Path) -> None:
    assert servers.running(empty_dir) is None
    assert not empty_dir.exists()


def test_attach_prints_nothing(data_dir: Path) -> None:
    words = (
        "import sys, pathlib; from launcher import servers; "
        "servers.attach(pathlib.Path(sys.argv[1]), database=True, broker=True)"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", words, data_dir],
        env={**os.environ, "PYTHONPATH": str(PROGRAMS.parents[2])},
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
