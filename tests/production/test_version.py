"""The version stands in one place, and is told wherever somebody would look for it."""

import re
import subprocess
import sys
import tomllib

import pytest

from launcher.version import __version__
from tests.production.files import CHECKOUT, last_stage, text


@pytest.mark.parametrize("command", [["manage.py", "--version"], ["-m", "launcher", "--version"]])
def test_a_command_says_it(command):
    """Without settings: it needs no server."""
    said = subprocess.run(
        [sys.executable, *command], cwd=CHECKOUT, env={}, capture_output=True, text=True, check=True
    )  # fmt: skip

    assert said.stdout == f"Taskapp {__version__}\n"


def test_the_image_says_it():
    (labels,) = (rest for word, rest in last_stage() if word == "LABEL")

    assert f'org.opencontainers.image.version="{__version__}"' in labels


def test_the_newest_entries_of_the_changelog_are_under_it():
    assert re.findall(r"(?m)^## \[(.+?)\]", text("CHANGELOG.md"))[0] == __version__


def test_the_package_has_no_number_of_its_own():
    project = tomllib.loads(text("pyproject.toml"))

    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "launcher.version.__version__"}
