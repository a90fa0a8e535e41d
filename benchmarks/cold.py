"""From nothing to the first reminder: a fresh clone, `make run`, a task; and the start after that."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.figures import Rows
from benchmarks.servers import pause
from tests.e2e.service import PASSWORD, ROOT, free_port

OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "MAKELEVEL", "MAKEFLAGS", "PYTHONDONTWRITEBYTECODE",
        "PYTHONPYCACHEPREFIX")  # fmt: skip


class Clone:
    """A clone of this repository, with `make run` in it."""

    def __init__(self, directory: Path) -> None:
        self.path, self._log, self._port = directory / "clone", directory / "run.log", free_port()
        self._make: subprocess.Popen[bytes] | None = None
        subprocess.run(["git", "clone", "--quiet", ROOT, self.path], check=True)

    def start(self) -> None:
        kept = {name: value for name, value in os.environ.items() if value and name not in OURS}
        environ = {**kept, "PORT": str(self._port), "ADMIN_PASSWORD": PASSWORD}
        with self._log.open("ab") as log:
            self._make = subprocess.Popen(
                ["make", "run"], cwd=self.path, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        """As Ctrl-C does, which tells the whole group; kill what stays."""
        make, self._make = self._make, None
        if make is None:
            return
        os.killpg(make.pid, signal.SIGINT)
        try:
            make.wait(30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(make.pid, signal.SIGKILL)

    def until(self, look: Callable[[], Any], *, within: float) -> Any:
        end = time.monotonic() + within
        while True:
            with suppress(OSError):
                if found := look():
                    return found
            assert time.monotonic() < end, self._log.read_text()[-4000:]
            pause(0.05)

    def answers(self, path: str) -> bool:
        with urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as response:
            return bool(response.status == 200)

    def post(self, path: str, body: Any, token: str = "") -> Any:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}"
        with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=30) as response:
            return json.load(response)

    def mails(self) -> list[Path]:
        return list((self.path / ".data" / "outbox").glob("*.eml"))


def play(directory: Path, template: Path, *, is_quick: bool) -> Rows:
    clone = Clone(directory)
    try:
        began = time.monotonic()
        clone.start()
        clone.until(lambda: clone.answers("/readyz"), within=300)
        ready = time.monotonic() - began
        token = clone.post("tokens/", {"username": "admin", "password": PASSWORD})["token"]
        due = datetime.now(UTC) + timedelta(hours=3)
        saving = time.monotonic()
        clone.post("tasks/", {"title": "Pay the rent", "due_at": due.isoformat()}, token)
        clone.until(clone.mails, within=30)
        told = time.monotonic()
        stopping = time.monotonic()
        clone.stop()
        stopped = time.monotonic() - stopping
        again = time.monotonic()
        clone.start()
        clone.until(lambda: clone.answers("/healthz/reminders"), within=60)
        healthy = time.monotonic() - again
    finally:
        clone.stop()
    return [
        ("`make run`", "Seconds"),
        ("in a fresh clone, packages from the cache of pip where it has them: until /readyz", f"{ready:.1f}"),
        ("from saving the first task to its mail in the outbox", f"{told - saving:.1f}"),
        ("from the start to that mail", f"{told - began:.1f}"),
        ("Ctrl-C, until all has ended", f"{stopped:.1f}"),
        ("the second start, until /healthz/reminders is 200", f"{healthy:.1f}"),
    ]
