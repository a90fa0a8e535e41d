"""The secret key of an installation that was given none: made once, kept in DATA_DIR/secret-key."""

import contextlib
import os
import secrets
from pathlib import Path


def path_in(data_dir: Path) -> Path:
    return data_dir / "secret-key"


def keep(data_dir: Path) -> str:
    """The key kept there, made if there is none. Linked into place: of two first starts at once, one wins,
    both read it."""
    path = path_in(data_dir)
    if not path.exists():
        draft = data_dir / f"secret-key.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50), encoding="utf-8")
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="utf-8").strip()
