"""What dies while `make run` runs is started again."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from launcher import servers
from tests.launcher.launching import Run, answers, eventually, is_gone, keeper_pid, kill, server_pid

Start = Callable[..., Run]

pytestmark = pytest.mark.usefixtures("data_dir")


@pytest.mark.parametrize("kind", ["web", "beat"])
def test_a_killed_process_is_started_again(start_run: Start, kind: str) -> None:
    run = start_run().ready()

    kill(run.pids(kind)[0])

    eventually(lambda: len(run.pids(kind)) == 2, seconds=5)
    assert "ended (SIGKILL); starting it again in 1 s" in run.said


def test_the_helpers_of_a_killed_process_do_not_stay_behind(start_run: Start) -> None:
    run = start_run().ready()
    eventually(lambda: len(run.pids("worker")) == 2)
    worker, helper = run.pids("worker")

    kill(worker)

    eventually(lambda: is_gone(helper))


def test_a_process_that_keeps_failing_is_started_ever_more_rarely(start_run: Start) -> None:
    run = start_run(kinds="web failing").ready()

    eventually(lambda: "again in 4 s" in run.said)

    waits = [line.rpartition("again in ")[2] for line in run.said.splitlines() if "(exit code 3)" in line]
    assert waits == ["1 s", "2 s", "4 s"]


def test_a_killed_keeper_is_replaced_and_the_servers_keep_their_addresses(start_run: Start, data_dir: Path) -> None:
    run = start_run().ready()
    urls, keeper = servers.running(data_dir), keeper_pid(data_dir)

    kill(keeper)
    # Empty while the next one is just writing down its own.
    eventually(lambda: (data_dir / "servers.lock").read_text().strip() not in {"", str(keeper)})
    eventually(lambda: servers.running(data_dir) == urls)

    assert len(run.pids("web")) == 1


@pytest.mark.parametrize("key", ["database", "broker"])
def test_a_killed_server_comes_back(start_run: Start, data_dir: Path, key: str) -> None:
    start_run().ready()
    urls, old = servers.running(data_dir), server_pid(data_dir, key)

    kill(old)

    eventually(lambda: server_pid(data_dir, key) != old)
    assert servers.running(data_dir) == urls
    assert answers(getattr(urls, key))


def test_output_carries_the_name_of_its_process(start_run: Start) -> None:
    run = start_run().ready()

    eventually(lambda: "beat          | beat began" in run.said)
    assert "web           | web began" in run.said


def test_processes_are_told_where_everything_is(start_run: Start, data_dir: Path) -> None:
    run = start_run(MAKEFLAGS="-k", PYTHONDONTWRITEBYTECODE="1").ready()

    found = given(run.pids("web")[0])

    urls = servers.running(data_dir)
    assert (found["DATABASE_URL"], found["REDIS_URL"]) == (urls.database, urls.broker)
    assert (found["DATA_DIR"], found["PORT"], found["EMBEDDED"]) == (str(data_dir), str(run.port), "1")
    assert not {"MAKEFLAGS", "PYTHONDONTWRITEBYTECODE"} & found.keys()


def test_servers_that_can_only_come_back_elsewhere_take_the_processes_along(start_run: Start, data_dir: Path) -> None:
    run = start_run(kinds="web").ready()
    old = servers.running(data_dir)
    ports = [urlsplit(url).port for url in (old.database, old.broker)]

    os.kill(run.supervisor, signal.SIGSTOP)
    kill(keeper_pid(data_dir))
    eventually(lambda: not answers(old.database) and not answers(old.broker))
    with socket.create_server(("127.0.0.1", ports[0])), socket.create_server(("127.0.0.1", ports[1])):
        os.kill(run.supervisor, signal.SIGCONT)
        eventually(lambda: len(run.pids("web")) == 2)
        new = servers.running(data_dir)

    assert given(run.pids("web")[1])["DATABASE_URL"] == new.database != old.database
    assert given(run.pids("web")[1])["REDIS_URL"] == new.broker != old.broker


def given(pid: int) -> dict[str, str]:
    """The environment of a process."""
    words = os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")
    return dict(word.split("=", 1) for word in words if word)
