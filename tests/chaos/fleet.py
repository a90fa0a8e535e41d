"""The system under test, as in production: one web, two beats, three workers, PostgreSQL and Valkey.

Each is a process group of its own, and a supervisor starts again what has died.
"""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
from redis import Redis

from launcher.linux import die_with_parent
from launcher.postgres import PostgreSQL
from launcher.server import Server, clean_environment
from launcher.valkey import Valkey
from tests.chaos.armory import Armory
from tests.chaos.ledger import Handing, Ledger, Row, Verdict, read_trace
from tests.chaos.mail_server import MailServer
from tests.chaos.processes import Program, children, is_alive
from tests.e2e.service import COMMANDS, PASSWORD, ROOT, free_port, run_manage
from tests.needs import Need
from tests.small_disk import can_mount, small_disk
from tests.waiting import eventually

WEB, BEATS, WORKERS = "web", ["celery-beat#1", "celery-beat#2"], [f"celery-worker#{n}" for n in (1, 2, 3)]
PROCESSES = [WEB, *BEATS, *WORKERS]

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
"""Where Debian's package libfaketime has it."""

CLOCK = Need("libfaketime", lambda: FAKETIME is not None)

LEASE_SECONDS = 4

DISKS = {"data": 192, "database": 512, "broker": 64}
"""DATA_DIR and the directories of the servers, each with its megabytes where it is a disk of its own."""

UNREST = """
    SELECT (SELECT count(*) FROM reminders_taskchange), (SELECT count(*) FROM reminders_rulechange),
           (SELECT count(*) FROM reminders_personchange),
           (SELECT count(*) FROM reminders_reminder
            WHERE status = 'planned' AND remind_at <= clock_timestamp() + interval '1 minute'),
           (SELECT count(*) FROM reminders_delivery WHERE status IN ('queued', 'leased'))
"""

USERS = """
import json
from django.contrib.auth.models import User
from accounts.services import create_token
names = json.loads({names!r})
people = [User.objects.get_or_create(username=name, email=name + "@example.org")[0] for name in names]
print("TOKENS " + json.dumps({{person.username: [person.pk, create_token(person)[1]] for person in people}}))
"""


class Fleet:
    """Entered, everything runs and is ready. `api` talks to it as one of its users, until it is granted."""

    def __init__(
        self, directory: Path, mail: MailServer, *, own_clock: bool = False, small_disks: bool = False, **environ: str
    ) -> None:
        """`own_clock`: PostgreSQL's clock can be set, where libfaketime is installed. It makes PostgreSQL slower.
        `small_disks`: each of DISKS is a disk of its own, where the harness may mount, and can be filled."""
        self.directory = directory
        self.has_small_disks = small_disks and can_mount()
        self.mail = mail
        self.armory = Armory(directory / "armory")
        self.has_own_clock = own_clock and FAKETIME is not None
        self.users: dict[str, tuple[int, str]] = {}
        self.port = free_port()
        self._servers: dict[str, Server] = {}
        self._environ, self._secret = environ, secrets.token_hex(32)
        self._database: psycopg.Connection[Any] | None = None
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._programs: dict[str, Program] = {}
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for name in ("armory", "ready", "finished", *DISKS):
            (self.directory / name).mkdir(mode=0o700)
        for name, megabytes in DISKS.items() if self.has_small_disks else ():
            self._stack.enter_context(small_disk(self.directory / name, megabytes=megabytes))
        self.set_clock(0)
        (self.directory / "trace").touch()
        self._stack.callback(self._stop)
        try:
            self._supervisor.start()
            self._add_servers()
            self.manage("prepare")
            self._add_processes()
            self.until_ready()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def _stop(self) -> None:
        self._over.set()
        for program in self._programs.values():
            program.is_wanted = False
        self._supervisor.join()
        for name in reversed(list(self._programs)):
            self._programs[name].end()
        if self._database is not None:
            self._database.close()

    # What it consists of

    def _add_servers(self) -> None:
        database, broker = PostgreSQL(self.directory / "database", {}), Valkey(self.directory / "broker", {})
        for name, server in (("postgres", database), ("redis", broker)):
            server.port = free_port()
            server.prepare()
            self._servers[name] = server
            self._add(name, lambda name=name: self._start_server(name))
        eventually(lambda: self.sql("SELECT 1"))
        eventually(lambda: self.redis().ping())

    def _add_processes(self) -> None:
        for name in PROCESSES:
            self._add(name, lambda name=name: self._start_process(name))

    def _add(self, name: str, start: Callable[[], "subprocess.Popen[bytes]"]) -> None:
        with self._lock:
            self._programs[name] = Program(name, start)

    def _supervise(self) -> None:
        """All are started by this one thread, for the kernel ends them with the thread that started them."""
        while not self._over.wait(0.05):
            with self._lock:
                programs = list(self._programs.values())
            for program in programs:
                program.tick()

    def _start_server(self, name: str) -> "subprocess.Popen[bytes]":
        server, harness = self._servers[name], os.getpid()
        stop, _ = server.stop_signals[-1]
        server.prepare()

        def enter() -> None:
            server.become()
            die_with_parent(stop, harness)

        clock = {}
        if name == "postgres" and self.has_own_clock:
            clock = {
                "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.directory / "clock"),
                "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1",
            }  # fmt: skip
        with self.log_of(name).open("ab") as log:
            return subprocess.Popen(
                server.command(), cwd=server.directory(), env={**clean_environment(), **clock}, preexec_fn=enter,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _start_process(self, name: str) -> "subprocess.Popen[bytes]":
        (self.directory / "ready" / name).unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.chaos.armed", *COMMANDS[name.split("#")[0]]]
        if name in WORKERS:
            command += ["-n", f"{name.replace('#', '')}@%h"]
        own = {"CHAOS_PROCESS": name, "CHAOS_DIRECTORY": str(self.directory), "CHAOS_HARNESS": str(os.getpid())}
        with self.log_of(name).open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env={**self.environ, **own}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    @property
    def environ(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {
            **inherited,
            "DATABASE_URL": self._servers["postgres"].url(), "REDIS_URL": self._servers["redis"].url(),
            "EMAIL_URL": self.mail.url, "EMAIL_FROM": "Taskapp <reminders@tasks.example.org>",
            "DATA_DIR": str(self.directory / "data"), "PORT": str(self.port), "PUBLIC_URL": self.url,
            "SECRET_KEY": self._secret, "LOG_LEVEL": "INFO", "LOG_FORMAT": "json", "WORKER_CONCURRENCY": "2",
            "TIME_ZONE": "UTC", "REMINDER_WINDOW_HOURS": "24", "DEBUG": "",
            "ADMIN_USERNAME": "root", "ADMIN_PASSWORD": PASSWORD, "ADMIN_EMAIL": "root@example.org",
            "DELIVERY_LEASE_SECONDS": str(LEASE_SECONDS), "DELIVERY_BATCH_SIZE": "10",
            "DELIVERY_BACKOFF_SECONDS": "1", "DELIVERY_BACKOFF_MAX_SECONDS": "4", "DELIVERY_MAX_ATTEMPTS": "100",
            "DELIVERY_REPEAT_SECONDS": "1,1,2,2,4,4,4,4",
            "CLAMD_URL": f"unix://{self.directory}/clamd/clamd.ctl", "ATTACHMENT_LEASE_SECONDS": str(LEASE_SECONDS),
            "ATTACHMENT_MAX_ATTEMPTS": "100",
            **self._environ,
        }  # fmt: skip

    @contextmanager
    def environment(self, **environ: str) -> Iterator[None]:
        """Of the processes that start meanwhile."""
        before, self._environ = self._environ, {**self._environ, **environ}
        try:
            yield
        finally:
            self._environ = before

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log_of(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def __getitem__(self, name: str) -> Program:
        return self._programs[name]

    def group_of(self, pid: int) -> str:
        """The name of the process to which this pid belongs."""
        for name, program in self._programs.items():
            if program.pid and (pid == program.pid or pid in children(program.pid)):
                return name
        return ""

    def until_ready(self) -> None:
        """All run, listen and consume."""

        def are_ready() -> bool:
            for name in (*BEATS, *WORKERS):
                path = self.directory / "ready" / name
                if not path.exists() or path.read_text() != str(self[name].pid):
                    return False
            return True

        eventually(are_ready, within=60)
        eventually(lambda: urlopen(f"{self.url}/readyz", timeout=5).status == 200, within=60)

    # Talking to it

    def manage(self, *arguments: str, stdin: str = "") -> str:
        return run_manage(self.environ, *arguments, stdin=stdin)

    def add_users(self, names: Iterable[str]) -> None:
        """People with an address at example.org, and tokens."""
        printed = self.manage("shell", "-v0", stdin=USERS.format(names=json.dumps(list(names))))
        (line,) = (line for line in printed.splitlines() if line.startswith("TOKENS "))
        self.users |= {name: tuple(both) for name, both in json.loads(line.removeprefix("TOKENS ")).items()}

    def api(self, user: str, method: str, path: str, body: Any = None, *, within: float = 120.0, **headers: str) -> Any:
        """Ask until it is granted: connections that break and answers of 500 and more are asked again. 404 grants a
        DELETE, for the answer to the one before may have been lost."""
        end = time.monotonic() + within
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.users[user][1]}", **headers}
        while True:
            request = Request(f"{self.url}/api/v1/{path}", data=data, headers=headers, method=method)
            try:
                with urlopen(request, timeout=10) as response:
                    content = response.read()
                    return json.loads(content) if content else None
            except HTTPError as error:
                if error.code == 404 and method == "DELETE":
                    return None
                last = f"{error.code} {error.read().decode()}"
                if error.code < 500:
                    raise AssertionError(f"{method} {path}: {last}") from error
            except (OSError, HTTPException, ValueError) as error:
                last = repr(error)
            assert time.monotonic() < end, f"{method} {path} is not granted within {within:g} s: {last}"
            time.sleep(0.1)

    def down(self) -> list[str] | None:
        """The parts that /healthz/reminders names, [] if all is well; None if there is no answer."""
        try:
            with urlopen(f"{self.url}/healthz/reminders", timeout=10) as answer:
                return list(json.load(answer)["down"])
        except HTTPError as error:
            return list(json.load(error)["down"])
        except (OSError, HTTPException, ValueError):
            return None

    def sql(self, statement: str, parameters: Any = None) -> list[Any]:
        """As the harness: to set up, to see whether it rests, and for the one look of the ledger."""
        with self._lock:
            if self._database is None or self._database.closed:
                self._database = psycopg.connect(self._servers["postgres"].url(), autocommit=True, connect_timeout=5)
            try:
                cursor = self._database.execute(statement, parameters)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                self._database.close()
                raise

    def redis(self) -> "Redis[bytes]":
        return Redis.from_url(self._servers["redis"].url(), socket_timeout=5)

    def set_clock(self, seconds: int) -> None:
        """How far PostgreSQL's clock is ahead of the machine's."""
        draft = self.directory / "clock.new"
        draft.write_text(f"{seconds:+d}\n")
        draft.replace(self.directory / "clock")

    # Its end

    def is_at_rest(self) -> bool:
        """Nothing is left to be done."""
        return self.sql(UNREST) == [(0, 0, 0, 0, 0)]

    def drain(self, ledger: Ledger, *, within: float) -> None:
        """Wait until all that is due has been accepted, and then until nothing is left that could still come twice."""
        end = time.monotonic() + within
        with suppress(AssertionError):  # what is missing then is for the verdict to say
            eventually(lambda: not ledger.missing(self.mail.accepted), within=within, every=0.05)
            eventually(self.is_at_rest, within=max(5.0, end - time.monotonic()), every=0.05)

    def judge(self, ledger: Ledger) -> Verdict:
        eventually(lambda: self.sql("SELECT 1"), within=30)  # the connection may have died with the database
        rows = self.sql("SELECT message_id, id, unknown_outcome FROM reminders_delivery WHERE message_id <> ''")
        marks = {message_id: Row(delivery, is_marked) for message_id, delivery, is_marked in rows}
        verdict = ledger.judge(list(self.mail.accepted), self.handings(), marks)
        if not self.is_at_rest():
            verdict.lost.append(f"it does not come to rest: {self.sql(UNREST)}")
        return verdict

    def handings(self) -> list[Handing]:
        return read_trace(self.directory / "trace")

    def until_finished(self, pid: int, *, after: float) -> None:
        """A worker's child has come to the end of a job since then."""
        path = self.directory / "finished" / str(pid)
        eventually(lambda: float(path.read_text()) > after, within=30)

    def until_dead(self, pid: int) -> None:
        eventually(lambda: not is_alive(pid), within=10)
