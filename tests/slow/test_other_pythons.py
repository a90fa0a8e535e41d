"""The newer Pythons, where they are had: an environment of their own, and the tests that start no service."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import copy_sources

VERSIONS = ["3.12", "3.13"]

FOLDERS = ["work", "mail", "accounts", "taskapp", "reminders", "schedules", "attachments", "admin", "api", "config"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def found(version: str) -> str:
    """The path of a Python of that version, if one starts: of the PATH, or of pyenv."""
    pyenv = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    candidates = [shutil.which(f"python{version}"), *map(str, pyenv)]
    return next((path for path in candidates if path and starts(path)), "")


def starts(path: str) -> bool:
    return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("version", [version for version in VERSIONS if version != "{}.{}".format(*sys.version_info)])
def test_the_tests_pass_on_it(version: str, tmp_path: Path):
    python = found(version)
    if not python:
        pytest.skip(f"no Python {version} here")
    copy_sources(tmp_path)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}

    subprocess.run(["make", "install", f"PYTHON={python}"], cwd=tmp_path, env=environ, check=True, capture_output=True)
    done = subprocess.run(
        [".venv/bin/python", "-m", "pytest", "-q", *(f"tests/{name}" for name in FOLDERS)],
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-5000:]
