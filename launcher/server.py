"""The life of one embedded server: started, ready, ended and started again, stopped. PostgreSQL and Valkey
fill in the rest.

A server is a foreground child of the keeper, in a session of its own, so that Ctrl-C in the terminal does not
reach it. On Linux the kernel stops it when the keeper dies; elsewhere the next keeper does (`stop_leftover`).

The port is free to choose until the server was ready once. From then on somebody may have its URL, so it
stays.
"""

import contextlib
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from launcher import ports
from launcher.bulletin import Entry
from launcher.errors import DiskFullError, LauncherError, ServerFailedError, from_os_error
from launcher.linux import die_with_parent
from launcher.places import log_file, open_log
from launcher.processes import born, signal_process, wait_until

FIRST_TRIES = 4
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
LONG_LIFE = 60.0


class Server(ABC):
    key: ClassVar[str]
    title: ClassVar[str]
    # How to ask it to stop, ever less politely, and how many seconds to give each. A frozen one is thawed to
    # hear it.
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(self, data_dir: Path, memory: Entry) -> None:
        """`memory`: its entry in the last keeper's bulletin, from which the port is wished again."""
        self.data_dir = data_dir
        self.log = log_file(data_dir, self.title.lower())
        self.port: int | None = memory.get("port")
        self.ready = False
        self._memory = memory
        self._was_ready = False
        self._process: subprocess.Popen[bytes] | None = None
        self._tries = 0
        self._pause = SHORTEST_PAUSE
        self._start_at = 0.0
        self._started_at = 0.0
        self._log_start = 0

    @abstractmethod
    def prepare(self) -> None:
        """Make what has to exist before a start; called before each."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The program and its arguments, without secrets: everybody can read them."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it is this very server that answers, and it serves."""

    @abstractmethod
    def url(self) -> str: ...

    def directory(self) -> Path:
        """Where it is started."""
        return self.data_dir

    def become(self) -> None:
        """In the child, before the program is executed. Most have nothing to become."""
        return

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def entry(self) -> Entry:
        """For the bulletin."""
        said: Entry = {"ready": self.ready, "port": self.port, "pid": self.pid, "born": born(self.pid or 0)}
        return {**said, "url": self.url()} if self.ready else said

    def tick(self) -> None:
        """Take the next step, if one is due. LauncherError: it did not start, and trying again is no use."""
        if self._process is None:
            if time.monotonic() >= self._start_at:
                self._start()
        elif self._process.poll() is not None:
            self._ended()
        elif not self.ready and self.answers():
            self.ready = self._was_ready = True

    def _start(self) -> None:
        try:
            self.stop_leftover()
            self._choose_port()
            self.prepare()
            self._spawn()
        except (LauncherError, OSError) as error:
            self._failed(error if isinstance(error, LauncherError) else from_os_error(error, self.data_dir))

    def _choose_port(self) -> None:
        if not self._was_ready and (not isinstance(self.port, int) or not ports.is_free(self.port)):
            self.port = ports.pick()

    def _spawn(self) -> None:
        keeper = os.getpid()
        stop = self.stop_signals[0][0]

        def enter() -> None:
            self.become()
            die_with_parent(stop, keeper)

        with open_log(self.log) as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory(),
                env=clean_environment(),
                start_new_session=True,
                preexec_fn=enter,
            )
        self._started_at = time.monotonic()

    def _ended(self) -> None:
        self._process, self.ready = None, False
        words = read_from(self.log, self._log_start)
        if "No space left on device" in words:
            self._failed(DiskFullError(place=self.data_dir), final=True)
        elif "Address already in use" in words and not self._was_ready:
            self.port = None
        self._failed(ServerFailedError(server=self.title, why=last_complaint(words), log=self.log))

    def _failed(self, error: LauncherError, *, final: bool = False) -> None:
        """Before the server was ever ready, a few tries: its predecessor may still be letting go. Afterwards,
        for ever."""
        self._tries += 1
        if not self._was_ready and (final or isinstance(error, DiskFullError) or self._tries >= FIRST_TRIES):
            raise error
        if time.monotonic() - self._started_at > LONG_LIFE:
            self._pause = SHORTEST_PAUSE
        say(f"{error} Next try in {self._pause:.1f} s.")
        self._start_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def stop(self) -> None:
        self.ready = False
        process, self._process = self._process, None
        if process is None:
            return
        for number, seconds in (*self.stop_signals, (signal.SIGKILL, 5.0)):
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            if wait_until(lambda: process.poll() is not None, seconds):
                return

    def stop_leftover(self) -> None:
        """The server of a keeper that was killed may still be up, or going down."""
        pid, mark = self._memory.get("pid"), self._memory.get("born")
        if isinstance(pid, int) and mark and born(pid) == mark:
            self.stop_stranger(pid)

    def stop_stranger(self, pid: int) -> None:
        mark = born(pid)
        for number, seconds in (*self.stop_signals, (signal.SIGKILL, 5.0)):
            signal_process(pid, number)
            signal_process(pid, signal.SIGCONT)
            if wait_until(lambda: born(pid) != mark, seconds):
                return


def say(words: str) -> None:
    """Into the keeper's log, if the disk takes it."""
    with contextlib.suppress(OSError):
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} [{os.getpid()}] {words}", flush=True)


def clean_environment() -> dict[str, str]:
    """Nothing of ours that is secret, nothing that changes a server's mind (PGOPTIONS and the like), and its
    words in English."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C"}


def read_from(path: Path, offset: int) -> str:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read().decode("utf-8", "replace")


def last_complaint(words: str) -> str:
    """The line of a log that most likely says what is wrong."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    for line in reversed(lines):
        if any(word in line for word in ("FATAL", "PANIC", "rror:", "rror ", "# Fatal")):
            return line
    return lines[-1] if lines else "it said nothing"
