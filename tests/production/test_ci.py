""".ci/run, with a stand-in for the checkout: it finds declared programs only, and says what it did."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.production.files import CHECKOUT

Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = [pytest.mark.system("dpkg"), pytest.mark.system("make")]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs .ci/run in a checkout whose `make check` and `make test` are these commands."""

    def run(*, check: str = "true", test: str = "true", path: str = "") -> subprocess.CompletedProcess[str]:
        checkout = tmp_path / "checkout"
        shutil.copytree(CHECKOUT / ".ci", checkout / ".ci", dirs_exist_ok=True)
        (checkout / "tests").mkdir(exist_ok=True)
        (checkout / "Makefile").write_text(f"check:\n\t@{check}\ntest:\n\t@{test}\n")
        environ = {"PATH": path or os.environ["PATH"], "HOME": "/nonexistent", "TMPDIR": str(tmp_path)}
        return subprocess.run(
            [checkout / ".ci" / "run"], env=environ, capture_output=True, text=True, check=False, timeout=60
        )

    return run


def test_a_program_that_no_package_declares_is_not_found(run: Run, tmp_path: Path):
    by_accident = tmp_path / "bin" / "by-accident"
    by_accident.parent.mkdir()
    by_accident.write_text("#!/bin/sh\necho it was found\n")
    by_accident.chmod(0o700)

    done = run(test="by-accident", path=f"{by_accident.parent}:{os.environ['PATH']}")

    assert done.returncode != 0
    assert "it was found" not in done.stdout


def test_the_base_system_and_python_are_found(run: Run):
    done = run(check="awk 'BEGIN { print 6 * 7 }'", test='python3 -c "import sys; print(sys.executable)"')

    assert done.returncode == 0, done.stderr
    assert "\n42\n" in f"\n{done.stdout}"
    assert Path(done.stdout.splitlines()[1]).samefile(sys._base_executable)  # type: ignore[attr-defined]


def test_a_virtual_environment_outlives_the_run(run: Run, tmp_path: Path):
    done = run(test=f"python3 -m venv --without-pip '{tmp_path}/venv'")

    assert done.returncode == 0, done.stderr
    assert subprocess.run([tmp_path / "venv" / "bin" / "python", "-c", ""], check=False).returncode == 0


@pytest.mark.parametrize(
    ("check", "test", "code", "parts"),
    [
        ("true", "true", 0, ["Debian packages ok", "make check ok", "make test ok"]),
        ("true", "exit 3", 2, ["Debian packages ok", "make check ok", "make test FAILED"]),
        ("false", "true", 2, ["Debian packages ok", "make check FAILED"]),
    ],
)
def test_it_ends_with_its_parts_and_the_code_of_make(run: Run, tmp_path: Path, check, test, code, parts):
    done = run(check=check, test=test)

    lines = done.stdout.splitlines()[-len(parts) :]
    assert [re.sub(r" +", " ", re.sub(r" +\d+ s$", "", line)) for line in lines] == parts
    assert done.returncode == code
    assert list(tmp_path.glob("tmp.*")) == []
