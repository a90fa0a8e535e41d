"""`make licences` refuses what the Makefile does not list. Development packages stand in for new run-time ones."""

import subprocess

import pytest

from tests.production.files import CHECKOUT


def judged(packages: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", "licences", f"RUN_TIME_PACKAGES={packages}"]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", ["hypothesis", "pathspec"])  # in the two ways that metadata write it
def test_a_package_under_mpl_that_is_not_named_is_refused(package: str):
    refused = judged(f"Django {package} redis")

    assert refused.returncode != 0
    assert f"was found for package {package}:" in refused.stderr


def test_a_package_under_mpl_that_is_named_may_be_used():
    allowed = judged("Django certifi redis")

    assert allowed.returncode == 0, allowed.stderr
    assert "certifi" in allowed.stdout


@pytest.mark.parametrize("package", ["lazy-object-proxy", "cryptography"])  # BSD-2-Clause, Apache-2.0 OR BSD-3-Clause
def test_a_package_under_a_permissive_licence_may_be_used(package: str):
    assert judged(package).returncode == 0
