"""What dies while `make run` runs is started again."""

import os
from collections.abc import Callable

import pytest

from launcher import servers
from tests.launcher.launching import Run, answers, eventually, is_gone, keeper_pid, kill, server_pid

Start = Callable[..., Run]


@pytest.mark.parametrize("kind", ["web", "beat"])
def test_a_killed_process_is_started_again(start_run: Start, kind: str) -> None:
    run = start_run().ready()

    kill(run.pids(kind)[0])

    eventually(lambda: len(run.pids(kind)) == 2, seconds=5)
    assert "ended (SIGKILL); starting it again in 1 s" in run.said


def test_the_helpers_of_a_killed_process_do_not_stay_behind(start_run: Start) -> None:
    run = start_run().ready()
    worker, helper = run.pids("worker")

    kill(worker)

    eventually(lambda: is_gone(helper))


def test_a_process_that_keeps_failing_is_started_ever_more_rarely(start_run: Start) -> None:
    run = start_run(kinds="web failing").ready()

    eventually(lambda: "again in 4 s" in run.said)

    waits = [line.rpartition("again in ")[2] for line in run.said.splitlines() if "(exit code 3)" in line]
    assert waits == ["1 s", "2 s", "4 s"]


def test_a_killed_keeper_is_replaced_and_the_servers_keep_their_addresses(start_run: Start, data_dir) -> None:
    run = start_run().ready()
    urls, keeper = servers.running(data_dir), keeper_pid(data_dir)

    kill(keeper)
    eventually(lambda: keeper_pid(data_dir) != keeper)
    eventually(lambda: servers.running(data_dir) == urls)

    assert len(run.pids("web")) == 1


@pytest.mark.parametrize("key", ["database", "broker"])
def test_a_killed_server_comes_back(start_run: Start, data_dir, key: str) -> None:
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


def test_processes_are_told_where_everything_is(start_run: Start, data_dir) -> None:
    run = start_run(MAKEFLAGS="-k", PYTHONDONTWRITEBYTECODE="1").ready()

    with open(f"/proc/{run.pids('web')[0]}/environ", "rb") as file:
        given = dict(word.split("=", 1) for word in os.fsdecode(file.read()).split("\0") if word)

    urls = servers.running(data_dir)
    assert (given["DATABASE_URL"], given["REDIS_URL"]) == (urls.database, urls.broker)
    assert (given["DATA_DIR"], given["PORT"], given["EMBEDDED"]) == (str(data_dir), str(run.port), "1")
    assert not {"MAKEFLAGS", "PYTHONDONTWRITEBYTECODE"} & given.keys()
