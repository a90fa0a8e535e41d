"""The embedded PostgreSQL: `DATA_DIR/postgres` holds the cluster (`data`) and the password of its role
`taskapp`.

Both are made in a directory beside it, which is renamed when it is complete: killed half-way, the next start
begins anew. The role owns the database and may create others (tests do), but is no superuser, as on a
well-kept real server. The superuser's password is thrown away: whoever has the files can always enter with
`postgres --single`.
"""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from launcher import binaries
from launcher.bulletin import Entry
from launcher.errors import DiskFullError, ServerFailedError, WrongVersionError
from launcher.identity import Identity, choose
from launcher.linux import die_with_parent
from launcher.places import write_privately
from launcher.ports import LOOPBACK
from launcher.processes import command_line, exists
from launcher.server import Server, clean_environment, last_complaint

SETTINGS = {
    "listen_addresses": LOOPBACK,
    # TCP only: the path of a socket may not be longer than 107 bytes, and a checkout lies where it lies.
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


class PostgreSQL(Server):
    key = "database"
    title = "PostgreSQL"
    # A fast shutdown; then one without a checkpoint, from which the next start recovers.
    stop_signals = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))

    def __init__(self, data_dir: Path, memory: Entry) -> None:
        super().__init__(data_dir, memory)
        self.home = data_dir / "postgres"
        self.cluster = self.home / "data"
        self._program = Path()
        self._identity: Identity | None = None

    def prepare(self) -> None:
        self._program = binaries.postgres()
        self._identity = choose(self._program, self.data_dir, self.cluster)
        if not self.home.exists():
            self._create()
        self._check_version()
        self._identity.give(self.home)
        self._clear_pid_file()

    def command(self) -> Sequence[str | Path]:
        settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(self.port)}.items()]
        return [self._program, "-D", self.cluster, *settings]

    def become(self) -> None:
        if self._identity:
            self._identity.become()

    def answers(self) -> bool:
        """PostgreSQL writes its state in the last line of the file, and our child its pid in the first."""
        lines = self._pid_file()
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7] == "ready"

    def url(self) -> str:
        password = (self.home / "password").read_text(encoding="utf-8")
        return f"postgresql://taskapp:{password}@{LOOPBACK}:{self.port}/taskapp"

    def stop_leftover(self) -> None:
        super().stop_leftover()
        pid = self._owner_of_pid_file()
        if pid:
            self.stop_stranger(pid)

    def _pid_file(self) -> list[str]:
        try:
            return [
                line.strip() for line in (self.cluster / "postmaster.pid").read_text("utf-8", "replace").splitlines()
            ]
        except OSError:
            return []

    def _owner_of_pid_file(self) -> int | None:
        """The pid in postmaster.pid, if it is a PostgreSQL and works on this cluster."""
        lines = self._pid_file()
        if not lines or not lines[0].isdigit():
            return None
        words = command_line(int(lines[0]))
        return int(lines[0]) if "postgres" in words and f"-D {self.cluster} " in f"{words} " else None

    def _clear_pid_file(self) -> None:
        """PostgreSQL takes whatever process has the pid in the file for its predecessor, even a zombie that nobody
        has reaped yet, and refuses to start. We know better: a living one's keeper would hold our lock. Should
        helpers of a dead one still be there, PostgreSQL finds them by their shared memory."""
        lines = self._pid_file()
        if lines and lines[0].isdigit() and exists(int(lines[0])) and not self._owner_of_pid_file():
            (self.cluster / "postmaster.pid").unlink()

    def _check_version(self) -> None:
        theirs = (self.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        ours = binaries.major(self._program)
        if theirs != ours:
            raise WrongVersionError(place=self.home, theirs=theirs, ours=ours)

    def _create(self) -> None:
        for leftover in self.data_dir.glob("postgres.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        draft = self.data_dir / f"postgres.new-{os.getpid()}"
        draft.mkdir(mode=0o700)
        try:
            self._fill(draft)
            draft.rename(self.home)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def _fill(self, draft: Path) -> None:
        password = secrets.token_hex(32)
        write_privately(draft / "superuser", secrets.token_hex(32))
        if self._identity:
            self._identity.give(draft)
        locale = ["--locale=C.UTF-8"]
        if int(binaries.major(self._program)) >= 17:
            # The same order and the same letters on every platform, whatever its C library thinks of them.
            locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        initdb: list[str | Path] = [self._program.with_name("initdb"), "-D", draft / "data", "--username=postgres"]
        rules = ["--encoding=UTF8", "--auth=scram-sha-256", f"--pwfile={draft / 'superuser'}", "--no-instructions"]
        self._run([*initdb, *rules, *locale])
        self._run(
            [self._program, "--single", "-D", draft / "data", "-c", "exit_on_error=true", "postgres"],
            f"CREATE ROLE taskapp LOGIN CREATEDB PASSWORD '{password}';\nCREATE DATABASE taskapp OWNER taskapp;\n",
        )
        (draft / "superuser").unlink()
        write_privately(draft / "password", password)

    def _run(self, command: Sequence[str | Path], words: str = "") -> None:
        keeper = os.getpid()

        def enter() -> None:
            self.become()
            die_with_parent(signal.SIGKILL, keeper)

        done = subprocess.run(
            command, input=words.encode(), capture_output=True, preexec_fn=enter, env=clean_environment(), check=False
        )
        if done.returncode == 0:
            return
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        with self.log.open("a", encoding="utf-8") as log:
            log.write(said)
        if "No space left on device" in said:
            raise DiskFullError(place=self.data_dir)
        raise ServerFailedError(server=self.title, why=last_complaint(said), log=self.log)
