"""Tests that need a Debian package say so: `@pytest.mark.system("docker-compose")`.

Where the package is absent the test is left out, with a reason that says what to install; where CI=true it fails,
for there everything is to be run.
"""

import os
import shutil
import subprocess
from functools import cache

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("system"):
        (package,) = mark.args
        if is_installed(package):
            continue
        reason = f"the Debian package {package} is not installed (apt install {package})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


@cache
def is_installed(package: str) -> bool:
    """Whether dpkg knows it as installed; on other systems, whether there is a program of that name."""
    if shutil.which("dpkg-query") is None:
        return shutil.which(package) is not None
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout == "installed"
