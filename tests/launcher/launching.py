"""What the tests of the launcher share: starting real processes, waiting for what they do, and looking at
what is left."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from launcher import bulletin, ports
from launcher.processes import born, command_line
from tests.chaos.processes import children

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).resolve().parent / "programs"


def eventually(condition: Callable[[], object], seconds: float = 15, what: str = "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not after {seconds} s: {what or condition}"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    return born(pid) is None


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


class User:
    """A process that uses the servers of a data directory."""

    def __init__(
        self,
        place: Path,
        *,
        wanted: str = "database,broker",
        manner: str = "stay",
        python: str = sys.executable,
        launcher: Path = CHECKOUT,
        prefix: tuple[str, ...] = (),
        uid: int | None = None,
        **environment: str,
    ) -> None:
        """`launcher`: a checkout with the programs beside the launcher, by default the one of the tests."""
        self.place = place
        programs = PROGRAMS if launcher == CHECKOUT else launcher
        self.process = subprocess.Popen(
            [*prefix, python, str(programs / "user.py"), str(place), wanted, manner],
            env={**os.environ, "PYTHONPATH": str(launcher), "HOME": "/nonexistent", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
            text=True,
        )
        self._answer: dict[str, str] | None = None

    @property
    def answer(self) -> dict[str, str]:
        """What it said when it had attached (or could not)."""
        if self._answer is None:
            assert self.process.stdout
            self._answer = json.loads(self.process.stdout.readline() or '{"error": "it said nothing"}')
        return self._answer

    @property
    def database(self) -> str:
        return self.answer.get("database") or self.answer["error"]

    @property
    def broker(self) -> str:
        return self.answer.get("broker") or self.answer["error"]

    def leave(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(10)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                assert pipe
                pipe.close()


def keeper_pid(place: Path) -> int:
    return int((place / "servers.lock").read_text())


def server_pid(place: Path, key: str) -> int:
    """Of a server that is ready."""
    found: list[int] = []

    def is_ready() -> bool:
        entry = (bulletin.living(place) or {}).get(key, {})
        found[:] = [entry["pid"]] if entry.get("ready") else []
        return bool(found)

    eventually(is_ready, what=f"{key} is ready")
    return found[0]


def processes_of(place: Path) -> list[str]:
    """Command lines that name the directory: the keeper, PostgreSQL. Valkey's does not."""
    return [line for line in command_lines() if f"{place}" in line and "user.py" not in line]


def command_lines() -> list[str]:
    """Of all processes. From /proc, since ps (procps) is not on every Debian."""
    return [command_line(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()]


def answers(url: str) -> bool:
    """Whether something listens where the URL says."""
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((parts.hostname, parts.port)) == 0


class Run:
    """The stand-in's `make run`, or the supervisor alone."""

    def __init__(
        self,
        checkout: Path,
        place: Path,
        *,
        kinds: str = "web worker beat",
        by_make: bool = False,
        port: int | None = None,
        reader: str = "cat",
        **environment: str,
    ) -> None:
        self.place = place
        self.port = port or ports.pick()
        self._kinds = kinds
        self.output = place.parent / f"output-{time.monotonic_ns()}"
        unwanted = ("MAKELEVEL", "MAKEFLAGS", "DATABASE_URL", "REDIS_URL", "PORT")
        kept = {name: value for name, value in os.environ.items() if name not in unwanted}
        own = {"PORT": str(self.port), "DATA_DIR": str(place), "KINDS": kinds}
        supervisor = [sys.executable, str(checkout / "driver.py")]
        by = ["make", "-f", str(checkout / "driver.mk"), f"PYTHON={sys.executable}"]
        with self.output.open("wb") as output:
            self.reader = subprocess.Popen(reader.split(), stdin=subprocess.PIPE, stdout=output)
            self.process = subprocess.Popen(
                by if by_make else supervisor,
                cwd=checkout,
                env={**kept, **own, **environment},
                stdin=subprocess.DEVNULL,
                stdout=self.reader.stdin,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if self.reader.stdin:
            self.reader.stdin.close()

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def ready(self) -> "Run":
        """Waits until it says so, and all its processes have noted themselves."""
        eventually(lambda: "is ready" in self.said or self.process.poll() is not None, seconds=40, what="ready")
        assert self.process.poll() is None, self.said
        self.wait_for_processes()
        return self

    def wait_for_processes(self) -> None:
        eventually(lambda: {note[0] for note in self.notes()} >= set(self._kinds.split()), what="processes")

    @property
    def supervisor(self) -> int:
        return int((self.place / "run.lock").read_text().split()[0])

    @property
    def guard(self) -> int:
        """0 if there is none."""
        return next((pid for pid in children(self.supervisor) if "launcher.guard" in command_line(pid)), 0)

    def notes(self) -> list[list[str]]:
        """What its processes wrote down: kind, and "pid" with the number, or "stopped"."""
        try:
            return [line.split() for line in (self.place / "notes").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def pids(self, kind: str) -> list[int]:
        return [int(note[2]) for note in self.notes() if note[:2] == [kind, "pid"]]

    def everything(self) -> list[int]:
        return [int(note[2]) for note in self.notes() if note[1] == "pid"]

    def is_all_gone(self) -> bool:
        return all(is_gone(pid) for pid in self.everything()) and processes_of(self.place) == []

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)
        self.reader.wait(60)
