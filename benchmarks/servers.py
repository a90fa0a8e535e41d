"""PostgreSQL, Valkey and what works with them, for one measurement: each a process group of its own, on loopback.

The cluster is a copy of one that was migrated before, so that it is there within seconds. All of it ends with the
measurement, and by the kernel's doing if the harness is killed.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Self

import psycopg
from redis import Redis

from launcher.linux import die_with_parent
from launcher.postgres import PostgreSQL
from launcher.server import Server, clean_environment
from launcher.valkey import Valkey
from tests.chaos.processes import children, stat_of
from tests.e2e.service import ROOT, free_port, run_manage
from tests.waiting import eventually

OVER = Event()
"""Set when everything is to end."""


class OverError(Exception):
    """Everything is to end."""


def pause(seconds: float) -> None:
    if OVER.wait(max(0.0, seconds)):
        raise OverError


class Servers:
    """Entered, both servers answer; what else runs is started by name, such as "beat#1"."""

    def __init__(self, directory: Path, *, template: Path | None) -> None:
        """`template`: the directory of a measurement whose cluster is to be copied; it has ended."""
        self.directory, self.template = directory, template
        self.postgres_options: list[str] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.servers: dict[str, Server] = {}
        self._secret = secrets.token_hex(32)

    def __enter__(self) -> Self:
        data = self.directory / "data"
        data.mkdir(mode=0o700, parents=True)
        try:
            if self.template:
                shutil.copytree(self.template / "data" / "postgres", data / "postgres")
            for name, server in (("postgres", PostgreSQL(data, {})), ("valkey", Valkey(data, {}))):
                server.port = free_port()
                self.servers[name] = server
                self.start_server(name)
            eventually(lambda: self.sql("SELECT 1"))
            eventually(lambda: self.broker().ping())
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        for name in reversed(list(self.processes)):
            self.stop(name, signal.SIGINT if name == "postgres" else signal.SIGKILL)

    # Processes

    def start_server(self, name: str, **environ: str) -> None:
        server = self.servers[name]
        server.prepare()
        command = [*server.command(), *(self.postgres_options if name == "postgres" else [])]
        self.run(name, command, directory=server.directory(), environ={**clean_environment(), **environ},
                 become=server.become)  # fmt: skip

    def run(
        self, name: str, command: Sequence[str | Path], *, directory: Path = ROOT,
        environ: dict[str, str] | None = None, become: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """Start a process that dies with the harness. Without `environ` it is told where the servers are."""
        harness, death = os.getpid(), signal.SIGQUIT if name == "postgres" else signal.SIGKILL

        def enter() -> None:
            become()
            die_with_parent(death, harness)

        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=directory, env=self.environ if environ is None else environ, preexec_fn=enter,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        self.stop(name, signal.SIGKILL)

    def stop(self, name: str, with_signal: int = signal.SIGTERM) -> None:
        """End the process and what is left of its group."""
        process = self.processes.pop(name)
        process.send_signal(with_signal)
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def is_alive(self, name: str) -> bool:
        return self.processes[name].poll() is None

    def cpu_seconds(self, name: str) -> float:
        """Processor time of a process and its children, those included that have ended."""
        pid = self.processes[name].pid
        ended = sum(map(int, stat_of(pid)[13:15]))
        alive = (sum(map(int, stat_of(one)[11:13])) for one in [pid, *children(pid)])
        return (ended + sum(alive)) / os.sysconf("SC_CLK_TCK")

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.servers["postgres"].url(), "REDIS_URL": self.servers["valkey"].url(),
            "DATA_DIR": str(self.directory / "data"), "SECRET_KEY": self._secret, "TIME_ZONE": "UTC",
            "PUBLIC_URL": "http://127.0.0.1:8000", "EMAIL_URL": "", "DEBUG": "", "LOG_LEVEL": "INFO",
            "LOG_FORMAT": "json",
        }  # fmt: skip

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    # Talking to it

    def manage(self, *arguments: str, stdin: str = "") -> str:
        return run_manage(self.environ, *arguments, stdin=stdin)

    def connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.servers["postgres"].url(), autocommit=True, connect_timeout=5)

    def sql(self, statement: str, parameters: Any = None) -> list[Any]:
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def broker(self) -> "Redis[bytes]":
        return Redis.from_url(self.servers["valkey"].url(), socket_timeout=60)

    def until(self, look: Callable[[], Any], *, within: float) -> Any:
        """What `look` returns once it is true; None if it is not in time."""
        end = time.monotonic() + within
        while not (found := look()) and time.monotonic() < end:
            pause(0.02)
        return found or None
