"""What `make bench`, `make chaos` and `make mutants` need of Debian, said before they start.

A part whose package is absent is left out, with a line that says so; where CI=true nothing starts, for there
everything is to be run.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.system_packages import is_installed


@dataclass(frozen=True)
class Need:
    package: str
    is_met: Callable[[], bool]


def program(name: str) -> str:
    """Where it lies, or "": on the PATH, or in the sbin beside a bin of it, which an ordinary user's PATH lacks."""
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    places += [str(Path(place).with_name("sbin")) for place in places if Path(place).name == "bin"]
    return shutil.which(name, path=os.pathsep.join(places)) or ""


def of_program(name: str, package: str) -> Need:
    return Need(package, lambda: bool(program(name)))


def of_package(package: str) -> Need:
    return Need(package, lambda: is_installed(package))


GIT = of_program("git", "git")


def left_out(needs: Mapping[str, Sequence[Need]], *, say: Callable[[str], None]) -> dict[str, str]:
    """Say what these parts need and lack. Return those to be left out, each with the reason; end the process if that
    is all of them, or CI=true."""
    users: dict[str, list[str]] = {}
    lacking: dict[str, list[str]] = {}
    for part, its in needs.items():
        for need in its:
            users.setdefault(need.package, []).append(part)
            if not need.is_met():
                lacking.setdefault(part, []).append(need.package)
    if not users:
        return {}
    absent = sorted({package for packages in lacking.values() for package in packages})
    words = f"This run needs {named([f'{name} (for {listed(parts)})' for name, parts in sorted(users.items())])}"
    if not absent:
        say(f"{words}, and lacks none.")
        return {}
    words += f", lacks {listed(absent)} (apt install {' '.join(absent)}), and"
    if os.environ.get("CI") == "true":
        raise SystemExit(f"{words} does not start, since CI=true.")
    if len(lacking) == len(needs):
        raise SystemExit(f"{words} does not start, since nothing is left.")
    say(f"{words} leaves out {listed(lacking)}.")
    return {part: f"left out: needs {named(packages)}" for part, packages in lacking.items()}


def named(packages: Sequence[str]) -> str:
    return f"the Debian package{'s' if len(packages) > 1 else ''} {listed(packages)}"


def listed(words: Iterable[str]) -> str:
    return ", ".join(words)
