"""Where things lie: the checkout, its virtual environment, and the directory of its data."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from launcher.errors import from_os_error

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
KEPT_LOG_BYTES = 4_000_000


def data_dir(environ: Mapping[str, str]) -> Path:
    """DATA_DIR as an absolute path; a relative one counts from the checkout, wherever the command was
    typed."""
    return Path(os.path.abspath(CHECKOUT / (environ.get("DATA_DIR") or ".data")))


def make_data_dir(path: Path) -> None:
    """It holds passwords and mail, so it opens for its owner only; one that exists keeps the mode its owner
    gave it."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (path / "log").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, path) from error


def log_file(path: Path, name: str) -> Path:
    return path / "log" / f"{name}.log"


def open_log(path: Path) -> IO[bytes]:
    """For appending; begun anew when it has grown large."""
    try:
        if path.exists() and path.stat().st_size > KEPT_LOG_BYTES:
            path.replace(path.with_name(path.name + ".1"))
        return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    except OSError as error:
        raise from_os_error(error, path) from error


def write_privately(path: Path, text: str) -> None:
    """Readable by the owner only, and there as a whole or not at all, whenever the power goes."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
