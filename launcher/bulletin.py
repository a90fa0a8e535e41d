"""servers.json: what the keeper tells everybody, and how one knows that it is true.

The keeper writes a draft, locks it exclusively, and renames it over the old file; it keeps the lock as long
as it lives and stands by the content. So a reader that finds the file locked reads the words of a living
keeper, and one that finds it unlocked reads a memory: good for wishing the same ports again, never for
connecting. No pid is compared, nothing has to be cleaned up.

Content: {"database" and "broker": {"ready", "url", "port", "pid", "born", "error", "failed_at"}}, all but
`ready` where known.
"""

import json
import os
from pathlib import Path
from typing import Any

from launcher.locks import EXCLUSIVE, SHARED, try_lock

Entry = dict[str, Any]
Notices = dict[str, Entry]


def place(data_dir: Path) -> Path:
    return data_dir / "servers.json"


def living(data_dir: Path) -> Notices | None:
    """What a keeper says now; None when none stands by it."""
    try:
        fd = os.open(place(data_dir), os.O_RDONLY)
    except FileNotFoundError:
        return None
    with open(fd, encoding="utf-8") as file:
        return None if try_lock(file.fileno(), SHARED) else _parse(file.read())


def remembered(data_dir: Path) -> Notices:
    """What the last keeper said, whatever became of it."""
    try:
        return _parse(place(data_dir).read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return {}


def wish(data_dir: Path, key: str) -> Path:
    """A client makes this file when a living keeper does not serve what it needs, and again until it does."""
    return data_dir / f"servers.want-{key}"


def _parse(text: str) -> Notices:
    """A file that somebody damaged counts as empty: all it costs is new ports."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {key: entry for key, entry in found.items() if isinstance(entry, dict)} if isinstance(found, dict) else {}


def write_all(fd: int, content: bytes) -> None:
    """A disk that is nearly full takes a part, and refuses the rest."""
    while content:
        content = content[os.write(fd, content) :]


class Bulletin:
    """The keeper's pen."""

    def __init__(self, data_dir: Path) -> None:
        self._place = place(data_dir)
        self._fd: int | None = None
        self._said = ""

    def publish(self, notices: Notices) -> None:
        text = json.dumps(notices, indent=1)
        if text == self._said:
            return
        draft = self._place.with_name("servers.json.new")
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(fd, text.encode())
            try_lock(fd, EXCLUSIVE)
            draft.replace(self._place)
        except BaseException:
            os.close(fd)
            raise
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self._said = fd, text
