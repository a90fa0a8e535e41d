"""`make run` as the README has it: by an ordinary user, from checkouts whose paths have spaces, killed in every way."""

import json
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from launcher import ports
from tests.checkout import copy_sources
from tests.launcher.launching import keeper_pid, server_pid
from tests.launcher.test_servers_as_whom import readable_python
from tests.waiting import eventually

IS_ROOT = os.geteuid() == 0
USER: dict[str, Any] = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if IS_ROOT else {}

pytestmark = [
    pytest.mark.system("python3-venv"),  # what the machine's own Python makes a virtual environment with
    pytest.mark.system("git"),  # knows the files of a fresh clone
]


class Checkout:
    """A copy of the sources with its own data directory, in which `make run` is started and ended."""

    def __init__(self, place: Path, number: int) -> None:
        self.path = place / f"check out {number}"
        self.data_dir = place / f"data dir {number}"
        self.port = ports.pick()
        self.log = place / f"run {number}.log"
        self.token = ""
        unwanted = (
            "DATABASE_URL",
            "REDIS_URL",
            "SECRET_KEY",
            "MAKELEVEL",
            "PYTHONDONTWRITEBYTECODE",
            "PYTHONPYCACHEPREFIX",
        )
        kept = {name: value for name, value in os.environ.items() if value and name not in unwanted}
        self.environ = {
            **kept, "HOME": str(place), "DATA_DIR": str(self.data_dir), "PORT": str(self.port), "LOG_LEVEL": "INFO",
        }  # fmt: skip

    def start(self) -> "Checkout":
        python = readable_python() if IS_ROOT else sys.executable
        with self.log.open("ab") as log:
            self.make = subprocess.Popen(
                ["make", "run", f"PYTHON={python}"], cwd=self.path, env=self.environ, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, **USER,
            )  # fmt: skip
        eventually(lambda: self.get("/readyz"), within=150)
        return self

    def get(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
            return response.read().decode()

    def api(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        with urlopen(Request(url, data=data, headers=headers, method=method), timeout=10) as response:
            return json.load(response)

    def sign_in(self) -> None:
        password = (self.data_dir / "admin-password").read_text().strip()
        self.token = self.api("POST", "tokens/", {"username": "admin", "password": password})["token"]

    def remind(self, title: str) -> float:
        """Add a task that is due in three hours; return the seconds until its delivery was sent."""
        due_at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
        began = time.monotonic()
        task = eventually(lambda: self.api("POST", "tasks/", {"title": title, "due_at": due_at}))["id"]
        eventually(lambda: self.api("GET", f"deliveries/?task={task}&status=sent")["results"], within=60)
        return time.monotonic() - began

    @property
    def supervisor(self) -> int:
        return int((self.data_dir / "run.lock").read_text().split()[0])

    def processes(self) -> list[str]:
        """Every process that works in this checkout or on its data."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                where = f"{os.readlink(entry / 'cwd')} {line}"
                if line and (str(self.path) in where or str(self.data_dir) in where):
                    found.append(line)
        return found

    def is_gone(self) -> bool:
        self.make.poll()
        return self.processes() == []

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.make.pid, signal.SIGINT)
        eventually(self.is_gone, within=60)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Where an ordinary user can work; pytest's own directories are for the user who runs the tests."""
    with tempfile.TemporaryDirectory(prefix="ordinary user ", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def checkouts(place) -> Iterator[list[Checkout]]:
    """Two, side by side; the second borrows the first one's virtual environment to save the tests half a minute."""
    two = [Checkout(place, number) for number in (1, 2)]
    for each in two:
        copy_sources(each.path)
    (two[1].path / ".venv").symlink_to(two[0].path / ".venv")
    if IS_ROOT:
        subprocess.run(["chown", "-Rh", "nobody", place], check=True)
    try:
        for each in two:
            each.start().sign_in()
        yield two
    finally:
        for each in two:
            each.stop()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_a_task_is_reminded_within_seconds_in_both(checkouts):
    seconds = [checkout.remind("Pay the rent") for checkout in checkouts]

    assert max(seconds) < 30
    for checkout in checkouts:
        assert len(list((checkout.data_dir / "outbox").glob("*.eml"))) == 1
        assert json.loads(eventually(lambda checkout=checkout: checkout.get("/healthz/reminders")))["down"] == []
        assert 'taskapp_steps_total{kind="delivery",step="sent"} 1.0' in checkout.get("/metrics")


def test_manage_py_works_beside_it_on_the_same_data(checkouts):
    first = checkouts[0]

    printed = subprocess.run(
        [".venv/bin/python", "manage.py", "shell", "-v0", "-c",
         "from taskapp.models import Task; print(Task.objects.count())"],
        cwd=first.path, env=first.environ, capture_output=True, text=True, check=True, **USER,
    ).stdout  # fmt: skip

    assert printed == "1\n"


@pytest.mark.parametrize(
    "server", ["keeper", *(pytest.param(each, marks=pytest.mark.slow) for each in ("database", "broker"))]
)
def test_a_killed_server_comes_back_and_reminders_go_on(checkouts, server):
    first = checkouts[0]

    kill(keeper_pid(first.data_dir) if server == "keeper" else server_pid(first.data_dir, server))

    first.remind(f"After the death of the {server}")


@pytest.mark.parametrize("victim", [pytest.param("supervisor", marks=pytest.mark.slow), "make"])
def test_after_a_killed_run_nothing_is_left_and_the_next_start_has_all_the_data(checkouts, victim):
    first, second = checkouts
    before = first.api("GET", "tasks/")["count"]

    kill(first.supervisor if victim == "supervisor" else first.make.pid)
    eventually(first.is_gone, within=60)
    began = time.monotonic()
    first.start()
    print(f"started again in {time.monotonic() - began:.1f} s")

    first.remind(f"After the death of the {victim}")
    assert first.api("GET", "tasks/")["count"] == before + 1
    assert second.get("/readyz")


def test_ctrl_c_leaves_nothing_behind(checkouts):
    for checkout in checkouts:
        checkout.stop()

    assert [checkout.processes() for checkout in checkouts] == [[], []]
