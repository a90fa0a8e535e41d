"""PostgreSQL does not run as root. Here it does not have to, whoever starts it."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from launcher import servers
from launcher.processes import command_line
from tests.launcher.conftest import stop_servers
from tests.launcher.launching import PROGRAMS, User, server_pid

Start = Callable[..., User]
NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def open_dir(open_place: Path) -> Iterator[Path]:
    """A data directory that others can reach."""
    place = open_place / "data dir ü"
    place.mkdir(mode=0o700)
    yield place
    stop_servers(place)
    shutil.rmtree(place)


def readable_python() -> str:
    """One that user nobody can run."""
    for name in ("/usr/bin/python3", "/usr/local/bin/python3"):
        fits = "import sys; sys.exit(sys.version_info < (3, 11))"
        if Path(name).exists() and subprocess.run([name, "-c", fits], user=NOBODY, check=False).returncode == 0:
            return name
    pytest.skip("no Python 3.11 or newer that user nobody can run")


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def works(user: User) -> bool:
    with psycopg.connect(user.database) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_for_root_its_files_stay_roots_and_no_directory_is_opened(start_user: Start, data_dir: Path) -> None:
    before = {place: place.stat().st_mode for place in data_dir.parents}

    user = start_user()

    assert works(user)
    assert {path.stat().st_uid for path in data_dir.rglob("*")} == {0}
    assert {place: place.stat().st_mode for place in data_dir.parents} == before


@pytest.mark.system("python3")  # the one in use may lie where user nobody cannot go
def test_an_ordinary_user_needs_nothing_special(start_user: Start, open_place: Path, open_dir: Path) -> None:
    os.chown(open_dir, NOBODY, NOBODY)

    user = start_user(open_dir, launcher=open_place, uid=NOBODY, python=readable_python())

    assert works(user), user.answer
    assert owner(server_pid(open_dir, "database")) == owner(server_pid(open_dir, "broker")) == NOBODY


def test_where_namespaces_are_forbidden_another_user_is_taken(
    start_user: Start, open_place: Path, open_dir: Path
) -> None:
    before = open_place.stat().st_mode

    user = start_user(open_dir, launcher=open_place, prefix=(sys.executable, str(PROGRAMS / "no_namespaces.py")))

    assert works(user), user.answer
    pid = server_pid(open_dir, "database")
    assert "postgres -D" in command_line(pid)
    assert owner(pid) != 0
    assert stat.S_IMODE(open_dir.stat().st_mode) == 0o710
    assert open_place.stat().st_mode == before


def test_a_cluster_of_root_is_handed_over_when_namespaces_become_forbidden(
    start_user: Start, open_place: Path, open_dir: Path
) -> None:
    user = start_user(open_dir, launcher=open_place)
    assert works(user)
    user.leave()
    assert servers.wait_until_stopped(open_dir)

    again = start_user(open_dir, launcher=open_place, prefix=(sys.executable, str(PROGRAMS / "no_namespaces.py")))
    assert works(again)
    again.leave()
    assert servers.wait_until_stopped(open_dir)
    and_back = start_user(open_dir, launcher=open_place)

    assert works(and_back)
    assert and_back.database == user.database


def test_where_nobody_can_reach_the_directory_it_says_so(start_user: Start, empty_dir: Path) -> None:
    user = start_user(prefix=(sys.executable, str(PROGRAMS / "no_namespaces.py")))

    assert user.answer["error"].startswith("PostgreSQL does not run as root, and no other user can reach")
