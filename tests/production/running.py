"""Processes as production starts them, in what the image holds."""

import contextlib
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.production.files import settings_variables
from tests.waiting import eventually

VENV_BIN = Path(sys.executable).parent


def environment(**variables: str) -> dict[str, str]:
    """The bare one of a container: nothing of the developer's, and the settings' own variables empty."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    bare = dict.fromkeys(settings_variables(), "")
    return {**kept, **bare, "PATH": f"{VENV_BIN}:{os.environ['PATH']}", **variables}


class Service:
    """One process of the service; what it says goes to a file. Leaving the context ends it."""

    def __init__(self, command: str | Sequence[str], *, cwd: Path, env: Mapping[str, str], output: Path) -> None:
        self.output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                ["sh", "-c", command] if isinstance(command, str) else command,
                cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def until(self, condition: Callable[[], object], *, seconds: float = 30) -> None:
        """Wait; a process that ends meanwhile, or is too slow, shows what it said."""
        try:
            eventually(lambda: condition() or self.process.poll() is not None, within=seconds)
        except AssertionError as error:
            raise AssertionError(self.said) from error
        assert self.process.poll() is None, self.said

    def until_it_says(self, words: str) -> None:
        self.until(lambda: words in self.said)

    def stop(self, *, seconds: float) -> int:
        """What `docker stop` and every platform do: SIGTERM to the process itself."""
        self.process.terminate()
        return self.process.wait(seconds)


def get(url: str, *, authorization: str | None = None) -> tuple[int, str]:
    """Status and body; 0 where nothing answers."""
    headers = {"Authorization": authorization} if authorization else {}
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""
