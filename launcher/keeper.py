"""The process that keeps the embedded servers of one data directory, and ends with the last of their users.

    python -m launcher.keeper DATA_DIR database,broker

Started detached by `launcher.servers.attach`, whose docstring has the protocol. Single-threaded on purpose:
Linux's parent-death signal counts from the thread that forked. Its log is DATA_DIR/log/keeper.log; its
standard output is a pipe to whoever started it, which carries one sentence when it fails and is closed when
it is past failing.
"""

import contextlib
import os
import select
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from launcher import bulletin
from launcher.bulletin import Bulletin, Entry, wish
from launcher.errors import LauncherError, from_os_error
from launcher.locks import EXCLUSIVE, LockFile
from launcher.places import log_file, open_log
from launcher.postgres import PostgreSQL
from launcher.processes import wait_until
from launcher.server import Server, say
from launcher.valkey import Valkey

KINDS: dict[str, type[Server]] = {"database": PostgreSQL, "broker": Valkey}
IDLE, BUSY = 0.25, 0.02


class Keeper:
    def __init__(self, data_dir: Path, lock: LockFile, report: int) -> None:
        """`lock`: servers.lock, held."""
        self._data_dir = data_dir
        self._lock = lock
        self._users = LockFile(data_dir / "users.lock")
        self._report: int | None = report
        self._bulletin = Bulletin(data_dir)
        self._memory = bulletin.remembered(data_dir)
        self._servers: dict[str, Server] = {}
        self._errors: dict[str, Entry] = {}
        self._told_to_stop = False
        self._ear = -1

    def run(self, wanted: list[str]) -> None:
        for key in KINDS:
            wish(self._data_dir, key).unlink(missing_ok=True)
        self._listen()
        self._publish()
        self._serve(wanted)
        try:
            while not self._is_over():
                self._step()
                self._rest(IDLE if all(server.ready for server in self._servers.values()) else BUSY)
        finally:
            self._stop()

    def _listen(self) -> None:
        """A signal, also that of a server's death, ends the rest at once."""
        self._ear, mouth = os.pipe()
        os.set_blocking(self._ear, False)
        os.set_blocking(mouth, False)
        signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._told_to_stop |= number != signal.SIGCHLD

    def _rest(self, seconds: float) -> None:
        if select.select([self._ear], [], [], seconds)[0]:
            os.read(self._ear, 4096)

    def _is_over(self) -> bool:
        if self._told_to_stop:
            say("Told to stop.")
            return True
        if not self._lock.is_current():
            say("The data directory is gone.")
            return True
        if not self._users.is_current():
            self._users = LockFile(self._users.path)
        # Taken here, it is held until this process has ended: who comes now waits, and then starts a keeper
        # of its own.
        return self._users.take(EXCLUSIVE)

    def _step(self) -> None:
        self._serve([key for key in KINDS if wish(self._data_dir, key).exists()])
        for key, server in list(self._servers.items()):
            try:
                server.tick()
            except LauncherError as error:
                say(str(error))
                self._errors[key] = {"error": str(error), "failed_at": time.time()}
                server.stop()
                del self._servers[key]
        # A full disk keeps the last words: the addresses in them stay. It is tried again at the next step.
        with contextlib.suppress(OSError):
            self._publish()
        if all(server.ready for server in self._servers.values()):
            self._close_report()

    def _serve(self, keys: list[str]) -> None:
        for key in keys:
            wish(self._data_dir, key).unlink(missing_ok=True)
            if key not in self._servers:
                self._servers[key] = KINDS[key](self._data_dir, self._memory.get(key, {}))
                self._errors.pop(key, None)

    def _publish(self) -> None:
        silent = {key: {"port": entry.get("port"), "ready": False} for key, entry in self._memory.items()}
        spoken = {key: server.entry() for key, server in self._servers.items()}
        failed = {key: {**silent.get(key, {}), "ready": False, **error} for key, error in self._errors.items()}
        self._bulletin.publish({**silent, **failed, **spoken})

    def _close_report(self) -> None:
        if self._report is not None:
            os.close(self._report)
            self._report = None

    def _stop(self) -> None:
        say("Stopping.")
        for server in reversed(self._servers.values()):
            server.stop()
        with contextlib.suppress(OSError):
            self._publish()
        say("Stopped.")


def main(data_dir: Path, wanted: list[str]) -> None:
    os.umask(0o077)
    if os.fork():
        # Whoever started us waits for this process only, and has no zombie to mind later.
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    report = os.dup(1)
    try:
        _redirect(data_dir)
        lock = LockFile(data_dir / "servers.lock")
        # Others look at the lock by taking it for a moment; one that stays taken belongs to another keeper.
        if wait_until(lambda: lock.take(EXCLUSIVE), 1.0):
            lock.write(str(os.getpid()))
            Keeper(data_dir, lock, report).run(wanted)
    except (LauncherError, OSError) as error:
        sentence = error if isinstance(error, LauncherError) else from_os_error(error, data_dir)
        with contextlib.suppress(OSError):
            os.write(report, str(sentence).encode())
        raise


def _redirect(data_dir: Path) -> None:
    with open_log(log_file(data_dir, "keeper")) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    say("Keeping the servers.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2].split(","))
