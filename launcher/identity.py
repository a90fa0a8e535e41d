"""As whom PostgreSQL runs. It refuses root, and needs a user that /etc/passwd knows.

An ordinary user just runs it. For root, and for a uid without a name (containers), the choices in order:

1. a user namespace in which we look like `nobody`: files stay ours, nothing has to be opened up (Linux, where
   allowed);
2. for root: the user `postgres` or `nobody`, if that user can reach the data directory. The cluster then
   belongs to that user, and DATA_DIR, nothing above it, becomes passable for that user's group.

Each is tried out by running `postgres --version` in the data directory. No user is made, no parent directory
is touched.
"""

import os
import pwd
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import RootRefusedError
from launcher.linux import enter_user_namespace


@dataclass(frozen=True)
class Identity:
    """`owner` is set where the cluster has to belong to somebody other than us."""

    become: Callable[[], None]
    owner: pwd.struct_passwd | None = None

    def give(self, directory: Path) -> None:
        if self.owner is None:
            return
        for place, _, files in os.walk(directory):
            for path in (place, *(os.path.join(place, file) for file in files)):
                os.chown(path, self.owner.pw_uid, self.owner.pw_gid, follow_symlinks=False)


def choose(program: Path, data_dir: Path, cluster: Path) -> Identity:
    """The first identity that works for `program` with `cluster`, which may not exist yet, inside
    `data_dir`."""
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return Identity(lambda: None)
    before = data_dir.stat()
    for identity in _candidates(cluster):
        if _open_for(identity, data_dir) and _can_run(identity, program, data_dir):
            return identity
        _close_again(data_dir, before)
    raise RootRefusedError(place=data_dir)


def _candidates(cluster: Path) -> Iterator[Identity]:
    owner = cluster.stat().st_uid if cluster.exists() else os.geteuid()
    if owner == os.geteuid():
        yield _namespace()
    if os.geteuid() != 0:
        return
    names = ("postgres", "nobody")
    known = [user for user in pwd.getpwall() if user.pw_name in names and user.pw_uid != 0]
    # Who owns the cluster already comes first, then in the order of the names.
    known.sort(key=lambda user: (user.pw_uid != owner, names.index(user.pw_name)))
    for user in known:
        yield Identity(_switch_to(user), user)


def _namespace() -> Identity:
    nobody = next((user for user in pwd.getpwall() if user.pw_name == "nobody"), None)
    uid, gid = (nobody.pw_uid, nobody.pw_gid) if nobody else (65534, 65534)
    return Identity(lambda: enter_user_namespace(uid, gid))


def _switch_to(user: pwd.struct_passwd) -> Callable[[], None]:
    def become() -> None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    return become


def _open_for(identity: Identity, data_dir: Path) -> bool:
    """DATA_DIR is ours to open, by its group and for passing only: what lies in it keeps its own mode."""
    if identity.owner is None:
        return True
    try:
        os.chown(data_dir, -1, identity.owner.pw_gid)
        data_dir.chmod(data_dir.stat().st_mode | 0o010)
    except OSError:
        return False
    return True


def _close_again(data_dir: Path, before: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(data_dir, -1, before.st_gid)
        data_dir.chmod(stat.S_IMODE(before.st_mode))


def _can_run(identity: Identity, program: Path, data_dir: Path) -> bool:
    def enter() -> None:
        identity.become()
        os.chdir(data_dir)

    try:
        tried = subprocess.run([program, "--version"], preexec_fn=enter, capture_output=True, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return tried.returncode == 0


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
