"""`make mutants`: apply each patch to a copy of the checkout, run its test there, and tell which nobody noticed.

`python -m tests.mutants canary "told twice"` applies those alone whose mechanism has one of these words.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from launcher import servers
from tests.checkout import ROOT, copy_sources
from tests.mutants.patches import PATCHES, Patch
from tests.needs import GIT, Need, left_out, of_package


def main(words: list[str]) -> int:
    patches = [patch for patch in PATCHES if not words or any(word in patch.mechanism for word in words)]
    if not GIT.is_met():
        raise SystemExit("This run needs the Debian package git, which lists the files to be copied (apt install git).")
    lacking = left_out(needs_of(patches), say=partial(print, flush=True))
    patches = [patch for patch in patches if file_of(patch) not in lacking]
    with tempfile.TemporaryDirectory(prefix="taskapp mutants ") as directory, ExitStack() as stack:
        copy, environ = Path(directory, "checkout"), own_servers(Path(directory, "data"), stack)
        copy_checkout(copy)
        tests = sorted({patch.test for patch in patches})
        if run(tests, copy, environ) != 0:
            print("The tests are red without any patch: nothing can be told.")
            return 1
        print(f"{len(tests)} tests are green without a patch; now {len(patches)} patches:")
        survivors = [patch for patch in patches if not is_noticed(patch, copy, environ)]
    print(f"{len(patches) - len(survivors)} of {len(patches)} patches turned their test red.")
    return 1 if survivors else 0


def file_of(patch: Patch) -> str:
    return patch.test.partition("::")[0]


def needs_of(patches: list[Patch]) -> dict[str, list[Need]]:
    """By the marks in the files of their tests: a test that is skipped would be taken for one that notices nothing."""
    files = {file_of(patch) for patch in patches}
    return {file: [of_package(name) for name in packages_of((ROOT / file).read_text())] for file in sorted(files)}


def packages_of(code: str) -> list[str]:
    return re.findall(r'mark\.system\("([^"]+)"', code)


def own_servers(data_dir: Path, stack: ExitStack) -> dict[str, str]:
    """The environment with servers that live until the stack ends, unless others were named."""
    environ = dict(os.environ)
    if not (environ.get("DATABASE_URL") and environ.get("REDIS_URL")):
        urls = servers.attach(data_dir, database=True, broker=True)
        stack.callback(servers.wait_until_stopped, data_dir)
        stack.callback(servers.detach, data_dir)
        environ |= {"DATABASE_URL": str(urls.database), "REDIS_URL": str(urls.broker)}
    return environ


def copy_checkout(to: Path) -> None:
    copy_sources(to)
    (to / ".venv").symlink_to(ROOT / ".venv")


def is_noticed(patch: Patch, copy: Path, environ: dict[str, str]) -> bool:
    file = copy / patch.path
    original = file.read_text()
    write(file, original.replace(patch.old, patch.new))
    began = time.monotonic()
    try:
        red = run([patch.test], copy, environ) == 1  # pytest's code for "tests failed"; others are errors of its own
    finally:
        write(file, original)
    print(
        f"{'red ' if red else 'SURVIVED'}  {patch.mechanism}  ({patch.test}, {time.monotonic() - began:.0f} s)",
        flush=True,
    )
    return red


def write(file: Path, text: str) -> None:
    """With a time of its own: Python tells by it whether the compiled file is stale."""
    before = file.stat().st_mtime
    file.write_text(text)
    os.utime(file, (before + 2, before + 2))


def run(tests: list[str], copy: Path, environ: dict[str, str]) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--durations=0", "--timeout=120", *tests]
    done = subprocess.run(command, cwd=copy, env=environ, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode not in {0, 1}:
        print(done.stdout[-3000:], done.stderr[-1000:])
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
