"""Nothing that an earlier life left in the data directory stands in the way, and what cannot work is said in
a sentence."""

import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from launcher import servers
from tests.launcher.launching import User, answers

Start = Callable[..., User]
# Not that of the virtual environment, which has the wheels, too.
BASE_PYTHON = getattr(sys, "_base_executable", sys.executable)


@pytest.mark.parametrize(
    "words",
    ["", "{", "[1]", '{"database": 3, "broker": {"port": "x", "ready": true, "url": "redis://:a@127.0.0.1:1/0"}}'],
)
def test_a_damaged_memory_costs_new_ports_only(start_user: Start, data_dir: Path, words: str) -> None:
    (data_dir / "servers.json").write_text(words)
    assert servers.running(data_dir) is None

    user = start_user()

    assert answers(user.database)
    assert answers(user.broker)


def test_a_pid_file_whose_number_now_belongs_to_another_program(start_user: Start, data_dir: Path) -> None:
    lines = [
        str(os.getpid()),
        str(data_dir / "postgres/data"),
        "1700000000",
        "5432",
        "",
        "127.0.0.1",
        "  123 456",
        "ready   ",
    ]
    (data_dir / "postgres/data/postmaster.pid").write_text("\n".join(lines) + "\n")

    user = start_user()

    assert answers(user.database)


def test_ports_that_others_have_taken_meanwhile_are_given_up(start_user: Start, data_dir: Path) -> None:
    user = start_user()
    ports = [urlsplit(url).port for url in (user.database, user.broker)]
    user.leave()
    assert servers.wait_until_stopped(data_dir)

    with socket.create_server(("127.0.0.1", ports[0])), socket.create_server(("127.0.0.1", ports[1])):
        again = start_user()
        found = [urlsplit(url).port for url in (again.database, again.broker)]

    assert not set(found) & set(ports)


def test_a_full_disk(start_user: Start, empty_dir: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    empty_dir.mkdir()
    mount = 'mount -t tmpfs -o size=20m none "$0" && exec "$@"'

    user = start_user(prefix=("unshare", "--mount", "sh", "-c", mount, str(empty_dir)))

    assert user.answer["error"] == f"The disk is full: make room where {empty_dir} lies and try again."


def test_a_cluster_of_another_version(start_user: Start, data_dir: Path) -> None:
    (data_dir / "postgres/data/PG_VERSION").write_text("12\n")

    user = start_user()

    assert f"{data_dir}/postgres was made by PostgreSQL 12 and this is " in user.answer["error"]


def test_a_data_directory_that_cannot_be_made(start_user: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    user = start_user(tmp_path / "file" / "data")

    assert user.answer["error"].startswith(f"{tmp_path}/file/data cannot be used (Not a directory)")


def test_without_wheels_and_without_programs(
    start_user: Start, checkout: Path, empty_dir: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(checkout, bare, symlinks=True)
    (bare / ".venv").unlink()

    user = start_user(launcher=bare, python=BASE_PYTHON, wanted="broker", PATH="/nonexistent")

    assert user.answer["error"].startswith("No Valkey or Redis was found")
    assert "REDIS_URL" in user.answer["error"]


@pytest.mark.system("postgresql")
@pytest.mark.system("redis-server")
def test_without_wheels_the_machines_own_programs_serve(
    start_user: Start, checkout: Path, empty_dir: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(checkout, bare, symlinks=True)
    (bare / ".venv").unlink()

    user = start_user(launcher=bare, python=BASE_PYTHON)

    assert answers(user.database), user.answer
    assert answers(user.broker)
