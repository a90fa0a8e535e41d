"""The disk of the servers is full: whoever keeps them lives on, and starts them again when there is room."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launcher import bulletin, servers
from tests.launcher.conftest import stop_servers
from tests.launcher.launching import User, answers, eventually, is_gone, keeper_pid, kill, server_pid
from tests.small_disk import NEEDS, can_mount, filled, small_disk

pytestmark = pytest.mark.skipif(not can_mount(), reason=NEEDS)

Start = Callable[..., User]


@pytest.fixture
def small_dir(empty_dir: Path, made_once: Path) -> Iterator[Path]:
    """A data directory that was used before, on a disk of its own."""
    empty_dir.mkdir()
    with small_disk(empty_dir, megabytes=400):
        shutil.copytree(made_once / "postgres", empty_dir / "postgres")
        shutil.chown(empty_dir / "postgres", os.stat(made_once / "postgres").st_uid)
        yield empty_dir
        stop_servers(empty_dir)


def test_a_server_that_dies_on_a_full_disk_takes_nobody_along(start_user: Start, small_dir: Path) -> None:
    user, key = start_user(), "broker"
    assert user.answer
    keeper, old, pids = keeper_pid(small_dir), server_pid(small_dir, key), set()

    with filled(small_dir):
        kill(old)
        eventually(lambda: is_gone(old))
        end = time.monotonic() + 3
        while time.monotonic() < end:  # some tries to start it again
            pids.add(keeper_pid(small_dir))
            time.sleep(0.1)

    assert pids == {keeper}
    assert servers.is_kept(small_dir)
    eventually(lambda: bulletin.living(small_dir)[key].get("ready") and server_pid(small_dir, key) != old, seconds=30)
    assert answers(user.database)
    assert answers(user.broker)
    user.kill()
