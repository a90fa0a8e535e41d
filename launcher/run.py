"""`make run`: everything that the service is made of, from servers to the page in the browser, until it is
asked to stop.

In order: one run per data directory (run.lock); what an earlier, killed run left is over (guard.lock,
children.json); the settings make sense; servers; database; processes; the word that it is ready.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from launcher import secret_key, servers
from launcher.checks import check_address, check_port, read_port
from launcher.child import Process
from launcher.errors import AlreadyRunningError, PrepareFailedError
from launcher.guard import Guard, end_leftovers
from launcher.locks import EXCLUSIVE, LockFile
from launcher.places import CHECKOUT, VENV, data_dir, make_data_dir
from launcher.ports import LOOPBACK
from launcher.processes import born, end_groups, wait_until
from launcher.servers import Urls
from launcher.stopping import Parent, Stop, StopRequest
from launcher.supervisor import Supervisor
from launcher.terminal import Terminal
from launcher.watch import Readiness, Watch

PYTHON = sys.executable
SCRIPTS = VENV / "bin"

# Through the interpreter: the first line of a script cannot name one whose path has a space, or that has
# moved.
PROCESSES = (
    Process("web", (PYTHON, f"{SCRIPTS}/gunicorn", "-c", "python:config.gunicorn", "config.wsgi"), patience=10),
    Process(
        "celery-worker",
        (PYTHON, f"{SCRIPTS}/celery", "-A", "config", "worker", "--loglevel=info"),
        # Its children then do not hear a SIGTERM that is sent to the whole group.
        {"REMAP_SIGTERM": "SIGQUIT"},
        patience=10,
    ),
    Process("celery-beat", (PYTHON, f"{SCRIPTS}/celery", "-A", "config", "beat", "--loglevel=info"), patience=3),
)

# Not for our processes: make's own would change a make that they run, and .pyc files are what makes starting
# fast.
UNWANTED = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHONDONTWRITEBYTECODE")


def run(environ: Mapping[str, str], *, parent: int, processes: Sequence[Process] = PROCESSES) -> int:
    """`parent`: the process that started us, which counts if it is a make. The exit code, once everything has
    stopped."""
    run_ = Run(environ, processes)
    try:
        guard = run_.set_up(Parent(parent) if environ.get("MAKELEVEL") else None)
        run_.prepare(guard)
        run_.supervise(guard)
    except Stop:
        pass
    finally:
        run_.leave()
    return 0


class Run:
    def __init__(self, environ: Mapping[str, str], processes: Sequence[Process]) -> None:
        self.terminal = Terminal()
        self.stop = StopRequest()
        self._environ = {name: value for name, value in environ.items() if name not in UNWANTED}
        self._processes = processes
        self._parent: Parent | None = None
        self._data_dir = data_dir(environ)
        self._port = 0
        self._embedded = Urls(None, None)
        self._uses_servers = False
        self._guard: Guard | None = None

    def set_up(self, parent: Parent | None) -> Guard:
        """All that can go wrong because of the settings goes wrong here, in a sentence."""
        self._parent = parent
        with self.stop.interruptible():
            self._port = read_port(self._environ)
            make_data_dir(self._data_dir)
            if not self._environ.get("SECRET_KEY"):
                secret_key.keep(self._data_dir)
            held = self._take_over()
            check_port(self._port)
            for variable in ("DATABASE_URL", "REDIS_URL"):
                if self._environ.get(variable):
                    check_address(variable, self._environ[variable])
            self._attach()
        fds = [held.fd, servers.membership(self._data_dir)]
        self._guard = Guard(self._data_dir / "children.json", [fd for fd in fds if fd is not None])
        return self._guard

    def _take_over(self) -> LockFile:
        """We are the only run here, and nothing of an earlier one is left. Returns the lock that our guard is
        to hold, too."""
        self._lock = LockFile(self._data_dir / "run.lock")
        if not wait_until(lambda: self._lock.take(EXCLUSIVE), 1.0):
            pid, _, port = self._lock.read().partition(" ")
            raise AlreadyRunningError(place=self._data_dir, pid=pid, port=port)
        self._lock.write(f"{os.getpid()} {self._port}")
        guarded = LockFile(self._data_dir / "guard.lock")
        if not guarded.take(EXCLUSIVE):
            self.terminal.say("An earlier run was killed; waiting until the rest of it has stopped …")
            wait_until(lambda: guarded.take(EXCLUSIVE), 30)
        end_leftovers(self._data_dir / "children.json")
        return guarded

    def _attach(self) -> None:
        database, broker = not self._environ.get("DATABASE_URL"), not self._environ.get("REDIS_URL")
        names = [name for name, is_wanted in (("PostgreSQL", database), ("Valkey", broker)) if is_wanted]
        if names:
            self._uses_servers = True
            self.terminal.say(f"Starting {' and '.join(names)} …")
            self._embedded = servers.attach(self._data_dir, database=database, broker=broker)

    def environment(self) -> dict[str, str]:
        """What every process of the service is given."""
        found = {"DATABASE_URL": self._embedded.database, "REDIS_URL": self._embedded.broker}
        urls = {name: url for name, url in found.items() if url}
        mark = {"EMBEDDED": "1"} if urls else {}
        ours = {"DATA_DIR": str(self._data_dir), "PORT": str(self._port), "PYTHONUNBUFFERED": "1"}
        return {**self._environ, **ours, **urls, **mark}

    def prepare(self, guard: Guard) -> None:
        """In a group of its own: a Ctrl-C is for us, and we pass it on."""
        self.terminal.say("Preparing the database …")
        process = subprocess.Popen(
            [PYTHON, "manage.py", "prepare"],
            cwd=CHECKOUT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        guard.watch(process.pid)
        try:
            with self.stop.interruptible():
                for line in process.stdout or ():
                    self.terminal.say(line.rstrip())
                process.wait()
        finally:
            end_groups([(process.pid, born(process.pid))] if process.poll() is None else [], 5)
            process.wait()
            guard.forget(process.pid)
        if process.returncode:
            raise PrepareFailedError(code=process.returncode)

    def supervise(self, guard: Guard) -> None:
        self.terminal.say(f"Starting {', '.join(process.name for process in self._processes)} …")
        supervisor = Supervisor(
            self._processes,
            directory=CHECKOUT,
            environment=self.environment(),
            guard=guard,
            terminal=self.terminal,
            stop=self.stop,
        )

        def follow(urls: Urls) -> None:
            self._embedded = urls
            supervisor.use(self.environment())
            supervisor.restart_all()

        watch = Watch(
            self._data_dir, self._embedded, parent=self._parent, stop=self.stop, terminal=self.terminal, on_moved=follow
        )
        Readiness(self._port, self.terminal, self._welcome)
        supervisor.run(watch)

    def _welcome(self) -> None:
        url = f"http://{LOOPBACK}:{self._port}/"
        password = self._data_dir / "admin-password"
        name = self._environ.get("ADMIN_USERNAME") or "admin"
        how = "with the password that you gave it"
        if password.exists():
            how = f"with the password {password.read_text(encoding='utf-8').strip()} (kept in {password})"
        mail = "Mail leaves through EMAIL_URL." if self._environ.get("EMAIL_URL") else f"Mail lands in {url}outbox/"
        lines = (
            "",
            f"  Taskapp is ready: {url}",
            f"  Sign in as {name} {how}",
            f"  {mail}",
            "  Ctrl-C stops everything.",
            "",
        )
        self.terminal.say("\n".join(lines))

    def leave(self) -> None:
        """The guard goes first: it counts as a user of the servers."""
        if self._guard:
            self._guard.close()
        servers.detach(self._data_dir)
        if self._uses_servers and not servers.wait_until_stopped(self._data_dir):
            self.terminal.say("The embedded servers stay up: another program still uses them, and they stop with it.")
        elif self.stop.is_made:
            self.terminal.say("Everything has stopped.")
