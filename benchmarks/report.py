"""Where the figures go: docs/benchmarks.md, a part of which is replaced by what a run has shown."""

import os
import platform
import re
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.figures import Rows, table
from tests.e2e.service import ROOT
from tests.needs import GIT

PAGE = ROOT / "docs" / "benchmarks.md"
PACKAGES = ["celery", "kombu", "django-celery-beat", "Django", "psycopg"]


def about(command: str) -> str:
    """Under which circumstances the figures were obtained."""
    others = f":!{PAGE.relative_to(ROOT)}"  # the page itself is what is being written
    changed = git("status", "--porcelain", "--", ".", others)
    commit = (git("rev-parse", "--short=8", "HEAD") or "unknown") + ("-dirty" if changed else "")
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"`{command}` at commit {commit} on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {packages}."
    )


def tell(name: str, command: str, play: Callable[[], Rows], *, write: bool) -> None:
    """Measure one part, show its table, and put it into the page if that is wanted."""
    began, circumstances = time.monotonic(), about(command)
    rows = play()
    words = f"{circumstances} It took {time.monotonic() - began:.0f} s.\n\n{table(rows)}\n"
    print(f"\n{words}", flush=True)
    if write:
        replace_part(name, words)


def git(*words: str) -> str:
    """What git says; "" where there is none."""
    if not GIT.is_met():
        return ""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def replace_part(name: str, words: str) -> None:
    """What stands between the two comments of that name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    page = PAGE.read_text(encoding="utf-8")
    assert begin in page, f"{PAGE} has no place for {name}"
    part = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    PAGE.write_text(part.sub(lambda _: f"{begin}\n\n{words}\n{end}", page), encoding="utf-8")
