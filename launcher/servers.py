"""Embedded servers that live exactly as long as somebody uses them.

    urls = attach(data_dir, database=True, broker=True)

From then on this process and its forks count as users, until they end, however they end. When the last one is
gone the servers stop. Nothing is counted: everything rests on locks of the kernel, which drops them with the
processes that hold them.

Files in DATA_DIR
    users.lock     every user holds it shared; the keeper asks for it exclusively four times a second, and when
                   it gets it there are no users left
    servers.lock   the keeper holds it exclusively as long as it lives: one keeper, so one PostgreSQL on the files
    servers.json   what is served and where; locked by the keeper that stands by it (`launcher.bulletin`),
                   otherwise a memory

A client (1) takes users.lock shared, then (2) reads servers.json; if it is locked and what it needs is ready,
that is all. Else it (3) wishes for what the keeper does not serve, or, where servers.lock is free, starts a
keeper, and goes back to 2.

Why nothing goes wrong
- Several first starts at once: each may start a keeper; one gets servers.lock, the others leave without a
  word. All clients wait at 2.
- The keeper leaves while a client comes: if the client has users.lock first, the keeper cannot get it and
  stays. If the keeper has it, it keeps it until it has stopped the servers and ended; the client waits at 1
  and then finds servers.lock free.
- A keeper starts while its starter dies: it finds no users, and leaves.
- The keeper is killed: both of its locks fall with it. Its servers stop by the parent-death signal (Linux),
  or are found by their pid and birth, or by postmaster.pid and their command line, and stopped by the next
  keeper. Users that are alive keep users.lock; whichever notices (`is_kept`; the supervisor looks twice a
  second) attaches again, and gets the same ports and passwords.
- A stale servers.json, from any of these, is not locked; a stale postmaster.pid whose number now belongs to
  another program is told apart by the command line and removed, under servers.lock.
- A server dies: the keeper starts it again on its port; until then servers.json says that it is not ready.
- DATA_DIR is deleted under a running keeper: its lock file is no longer the one at the path, so it stops and
  leaves; clients make new files.
"""

import os
import select
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from launcher import bulletin
from launcher.errors import KeeperFailedError, ServersLateError
from launcher.locks import EXCLUSIVE, SHARED, LockFile, is_held, try_lock
from launcher.places import CHECKOUT, log_file, make_data_dir, open_log
from launcher.processes import wait_until

_memberships: dict[Path, LockFile] = {}
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Urls:
    database: str | None
    broker: str | None


def attach(data_dir: Path, *, database: bool, broker: bool, timeout: float = 30) -> Urls:
    """The URLs of the servers asked for, running and ready. Idempotent, silent; LauncherError has the
    sentence for the user."""
    wanted = [key for key, is_wanted in (("database", database), ("broker", broker)) if is_wanted]
    place = Path(os.path.abspath(data_dir))
    if not wanted:
        return Urls(None, None)
    with _one_at_a_time:
        make_data_dir(place)
        was_user = place in _memberships
        deadline = time.monotonic() + timeout
        try:
            if not wait_until(lambda: _join(place), timeout):
                raise ServersLateError(seconds=timeout, log=place / "log")
            return _wait_for(place, wanted, deadline, timeout)
        except BaseException:
            if not was_user:
                detach(place)
            raise


def detach(data_dir: Path) -> None:
    """Stop being a user. Forks made meanwhile still are."""
    membership = _memberships.pop(Path(os.path.abspath(data_dir)), None)
    if membership:
        membership.close()


def membership(data_dir: Path) -> int | None:
    """The file descriptor that makes this process a user; given to another program, it makes that one a user
    too."""
    held = _memberships.get(Path(os.path.abspath(data_dir)))
    return held.fd if held else None


def running(data_dir: Path) -> Urls | None:
    """What is up at this moment, without starting or holding anything."""
    notices = bulletin.living(data_dir)
    urls = _urls(notices or {})
    return urls if urls.database or urls.broker else None


def is_kept(data_dir: Path) -> bool:
    """Whether a keeper is alive."""
    return is_held(data_dir / "servers.lock")


def wait_until_stopped(data_dir: Path, timeout: float = 30) -> bool:
    """After `detach`. False: others still use the servers (or the time is over)."""
    in_use_since = None
    deadline = time.monotonic() + timeout
    while is_kept(data_dir):
        now = time.monotonic()
        in_use_since = (in_use_since or now) if _has_users(data_dir) else None
        if now > deadline or (in_use_since and now - in_use_since > 1):
            return False
        time.sleep(0.05)
    return True


def _join(place: Path) -> bool:
    """Become a user. False: a keeper is just stopping the servers."""
    held = _memberships.get(place)
    if held and held.is_current():
        return True
    lock = LockFile(place / "users.lock")
    if not lock.take(SHARED):
        lock.close()
        return False
    if held:
        held.close()
    _memberships[place] = lock
    return True


def _wait_for(place: Path, wanted: list[str], deadline: float, timeout: float) -> Urls:
    since, keeper = time.time(), None
    try:
        while True:
            notices = bulletin.living(place)
            if notices is None and not is_kept(place) and (keeper is None or keeper.may_be_repeated()):
                keeper = _Starter(place, wanted)
            if keeper:
                keeper.raise_if_failed()
            if notices is not None and _are_ready(place, notices, wanted, since):
                return _urls({key: notices[key] for key in wanted})
            if time.monotonic() > deadline:
                raise ServersLateError(seconds=timeout, log=place / "log")
            time.sleep(0.02)
    finally:
        if keeper:
            keeper.close()


def _are_ready(place: Path, notices: bulletin.Notices, wanted: list[str], since: float) -> bool:
    for key in wanted:
        entry = notices.get(key, {})
        if entry.get("failed_at", 0) >= since:
            raise KeeperFailedError(sentence=entry["error"])
        if not entry.get("pid"):
            bulletin.wish(place, key).touch()
    return all(notices.get(key, {}).get("ready") for key in wanted)


def _urls(notices: bulletin.Notices) -> Urls:
    ready = {key: entry.get("url") for key, entry in notices.items() if entry.get("ready")}
    return Urls(ready.get("database"), ready.get("broker"))


def _has_users(data_dir: Path) -> bool:
    """Shared can be had and exclusive cannot: there are users. Neither: it is the keeper's, on its way
    out."""
    lock = LockFile(data_dir / "users.lock")
    try:
        return not try_lock(lock.fd, EXCLUSIVE) and try_lock(lock.fd, SHARED)
    finally:
        lock.close()


class _Starter:
    """A keeper that was sent on its way, and the pipe on which it would complain."""

    def __init__(self, place: Path, wanted: list[str]) -> None:
        self._started_at = time.monotonic()
        self._words = b""
        # -E: no PYTHON* variable may change what it imports or writes.
        command = [sys.executable, "-E", "-s", "-m", "launcher.keeper", str(place), ",".join(wanted)]
        with open_log(log_file(place, "keeper")) as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=CHECKOUT,
                start_new_session=True,
            )
        process.wait()
        self._pipe = process.stdout

    def raise_if_failed(self) -> None:
        while self._pipe and select.select([self._pipe], [], [], 0)[0]:
            words = os.read(self._pipe.fileno(), 4096)
            self._words += words
            if not words:
                self.close()
        if self._words and self._pipe is None:
            raise KeeperFailedError(sentence=self._words.decode("utf-8", "replace"))

    def may_be_repeated(self) -> bool:
        """It ended, perhaps because another one was first and has ended since. Not at once: it may not run at
        all."""
        return self._pipe is None and time.monotonic() - self._started_at > 0.5

    def close(self) -> None:
        if self._pipe:
            self._pipe.close()
            self._pipe = None
