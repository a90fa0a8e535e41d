"""The service as it runs in production: web, worker and beat as processes of their own, on a database of their own."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import psycopg
from django.conf import settings

from tests.environment import WORKER_NUMBER
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent

CELERY = str(SCRIPTS / "celery")
COMMANDS = {
    "web": [str(SCRIPTS / "gunicorn"), "-c", "python:config.gunicorn", "config.wsgi"],
    "celery-worker": [CELERY, "-A", "config", "worker", "--loglevel=info"],
    "celery-beat": [CELERY, "-A", "config", "beat", "--loglevel=info"],
    "hanging-worker": [CELERY, "-A", "tests.e2e.hanging", "worker", "--concurrency=1", "--loglevel=info"],
    "hanging-beat": [CELERY, "-A", "tests.e2e.hanging", "beat", "--loglevel=info"],
    # All of them, under the supervisor of `make run`.
    "run": ["-c", "import os; from launcher.run import run; run(os.environ, parent=os.getppid())"],
}
PASSWORD = "an administrator's password"

READ_BY_PREPARE = {
    "TIME_ZONE", "REMINDER_WINDOW_HOURS", "REMINDER_CHECK_INTERVAL_MINUTES", "ADMIN_USERNAME", "ADMIN_EMAIL",
    "ADMIN_PASSWORD",
}  # fmt: skip
"""Where one of these is given, the database is prepared anew."""


class Service:
    """Started with `start("web", …)`; `api` talks to it as its administrator, over HTTP with a token."""

    def __init__(self, data_dir: Path, **environ: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.database = f"e2e_{os.getpid()}_{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.token = ""
        self.environ = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "DATABASE_URL": self.database_url, "REDIS_URL": broker_url(number=5), "DATA_DIR": str(data_dir),
            "PORT": str(self.port), "PUBLIC_URL": self.url, "LOG_LEVEL": "INFO",
            "ADMIN_USERNAME": "root", "ADMIN_PASSWORD": PASSWORD, "ADMIN_EMAIL": "root@example.org",
            "DELIVERY_REPEAT_SECONDS": "1,2,4,8,16",
            **environ,
        }  # fmt: skip
        self._given = environ.keys()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        is_ours = self.environ["DATABASE_URL"] == self.database_url
        try:
            if is_ours and not READ_BY_PREPARE & self._given:
                self._copy_prepared()
                return self
            if is_ours:
                self._create()
            self.manage("prepare")
        except BaseException:
            self._stack.close()
            raise
        return self

    def _create(self, template: str = "template1") -> None:
        self.admin_sql(f'CREATE DATABASE "{self.database}" TEMPLATE "{template}"')
        self._stack.callback(self.admin_sql, f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')

    def _copy_prepared(self) -> None:
        """A copy of what `prepare` has made of the first such database: that takes seconds, and this a tenth."""
        template = f"e2e_{os.getpid()}_prepared"
        if (template,) not in self.admin_sql("SELECT datname FROM pg_database"):
            self._create()
            self.manage("prepare")
            self.admin_sql(f'CREATE DATABASE "{template}" TEMPLATE "{self.database}"')
            atexit.register(self._drop, template)
        else:
            self._create(template)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for name in list(self.processes):
            self.stop(name)
        self._stack.close()

    def _drop(self, database: str) -> None:
        with suppress(psycopg.OperationalError):  # a server of the tests' own may have gone before
            self.admin_sql(f'DROP DATABASE IF EXISTS "{database}"')

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        default = settings.DATABASES["default"]
        password = quote(default["PASSWORD"], safe="")
        return f"postgresql://{default['USER']}:{password}@{default['HOST']}:{default['PORT']}/{self.database}"

    def admin_sql(self, sql: str) -> list[tuple[Any, ...]]:
        url = self.database_url.removesuffix(self.database) + "postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def delete_tasks(self) -> None:
        """All of them, with their reminders: rows, and not tombstones."""
        with psycopg.connect(self.database_url) as database:
            for table in ("reminders_delivery", "reminders_reminder", "taskapp_task"):
                database.execute(f"DELETE FROM {table}")

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """Run a command of manage.py; return what it printed."""
        return run_manage(self.environ, *arguments, stdin=stdin)

    def start(self, *names: str, options: Sequence[str] = (), **environ: str) -> None:
        """`options` are added to the command line, and `environ` to the environment."""
        for name in names:
            log = self.data_dir / f"{name}.log"
            with log.open("ab") as file:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, *COMMANDS[name.split("#")[0]], *options], cwd=ROOT,
                    env={**self.environ, **environ},
                    stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
                )  # fmt: skip
        if {"web", "run"} & {*names}:
            eventually(lambda: urlopen(f"{self.url}/readyz", timeout=5).status == 200)

    def stop(self, name: str, *, with_signal: int = signal.SIGTERM) -> None:
        """End the process, and whatever of its group is left after a while."""
        process = self.processes.pop(name)
        process.send_signal(with_signal)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def log(self, name: str) -> str:
        return (self.data_dir / f"{name}.log").read_text()

    def complaints(self) -> list[str]:
        """What the processes logged as a warning or worse, and whatever is no log line but a traceback."""
        wrong = ('"level": "warning"', '"level": "error"', '"level": "critical"', "Traceback")
        lines = (line for log in self.data_dir.glob("*.log") for line in log.read_text().splitlines())
        return [line for line in lines if any(each in line for each in wrong)]

    def sign_in(self) -> None:
        answer = self.api("POST", "tokens/", {"username": "root", "password": PASSWORD})
        self.token = answer["token"]

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON that the API answers. An error status is an AssertionError with the problem."""
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/api/v1/{path}", data=data, headers=headers, method=method)
        try:
            with urlopen(request, timeout=30) as response:
                content = response.read()
        except HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error
        return json.loads(content) if content else None

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urlopen(self.url + path, timeout=30) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def deliveries(self, **filters: Any) -> list[dict[str, Any]]:
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return self.api("GET", f"deliveries/?{query}")["results"]


def run_manage(environ: dict[str, str], *arguments: str, stdin: str = "") -> str:
    """Run a command of manage.py; return what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environ, input=stdin, text=True,
        capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def broker_url(*, number: int) -> str:
    """The tests' broker, in another of its numbered databases; each worker of the tests has its own of that number."""
    parts = urlsplit(settings.CELERY_BROKER_URL)
    return parts._replace(path=f"/{number + WORKER_NUMBER}").geturl()
