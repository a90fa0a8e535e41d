"""Running pip: with progress for the person who waits, and its failures in a sentence."""

import os
import re
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from launcher.errors import DiskFullError, InstallFailedError, NoNetworkError
from launcher.places import CHECKOUT, VENV, VENV_PYTHON
from launcher.terminal import Terminal

# The lock files are complete and hashed, so there is nothing to resolve.
OPTIONS = ["--require-hashes", "--no-deps", "--compile", "--no-input", "--progress-bar=off"]
QUIET = ["--disable-pip-version-check", "--no-warn-script-location"]
NO_SUCH_WHEEL = ("No matching distribution found", "is not a supported wheel")
NETWORK_TROUBLE = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "Network is unreachable",
    "Connection refused",
    "CERTIFICATE_VERIFY_FAILED",
)


def install(requirements: Path, *, log: Path, lock: int, terminal: Terminal, may_be_unavailable: bool) -> bool:
    """False: no package for this platform (only where that may be). `lock`: a file descriptor that pip is to
    hold, too."""
    terminal.say(f"Installing {requirements.name} …")
    # Relative, as pip itself prints it; a checkout's path may contain anything.
    command = [str(VENV_PYTHON), "-m", "pip", "install", *OPTIONS, *QUIET, "-r", requirements.name]
    with log.open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
        )
        try:
            _follow(cast("IO[bytes]", process.stdout), output, terminal, _count(requirements))
            process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode == 0:
        return True
    words = log.read_bytes()[begin:].decode("utf-8", "replace")
    is_network = any(trouble in words for trouble in NETWORK_TROUBLE)
    if may_be_unavailable and not is_network and any(sign in words for sign in NO_SUCH_WHEEL):
        return False
    explain(words, requirements.name, log)
    raise InstallFailedError(what=requirements.name, why=last_line(words), log=log)


def explain(words: str, what: str, log: Path) -> None:
    """Raises the sentence for the failures that have one."""
    if "No space left on device" in words:
        raise DiskFullError(place=VENV)
    if any(trouble in words for trouble in NETWORK_TROUBLE):
        raise NoNetworkError(log=log)
    if "DO NOT MATCH THE HASHES" in words:
        raise InstallFailedError(what=what, why="a download is not the file that was locked", log=log)


def last_line(words: str) -> str:
    """pip's errors first: what follows them is often advice."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["it said nothing"])[-1].removeprefix("ERROR: ")


def _environment() -> dict[str, str]:
    """Settings of the user that make sense outside a virtual environment only would make pip refuse or
    install elsewhere."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_NO_COMPILE")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "PYTHONUNBUFFERED": "1", "PIP_USER": "0"}


def _count(requirements: Path) -> int:
    return len(re.findall(r"^[A-Za-z0-9][^\n]*==", requirements.read_text(encoding="utf-8"), re.MULTILINE))


def _follow(pipe: IO[bytes], output: IO[bytes], terminal: Terminal, total: int) -> None:
    """pip names each package when it fetches it, and is silent while it unpacks and compiles: then we count
    what is there."""
    fetched, before, is_unpacking = 0, _unpacked(), False
    for line in _lines(pipe):
        output.write(line)
        output.flush()
        # Ignored are those that only another platform or Python needs.
        total -= line.startswith(b"Ignoring ")
        fetched += line.startswith((b"Collecting ", b"Requirement already"))
        is_unpacking |= line.startswith(b"Installing collected")
        if is_unpacking:
            terminal.progress(f"  installed {min(_unpacked() - before, total)} of {total} packages")
        elif fetched:
            terminal.progress(f"  fetched {fetched} of {total} packages")


def _lines(pipe: IO[bytes]) -> Iterator[bytes]:
    """As they come, and an empty one each half second in which none comes."""
    rest = b""
    while True:
        if not select.select([pipe], [], [], 0.5)[0]:
            yield b""
            continue
        chunk = os.read(pipe.fileno(), 65536)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if not chunk:
            yield rest
            return


def _unpacked() -> int:
    return sum(1 for _ in VENV.glob("lib/python*/site-packages/*.dist-info"))
