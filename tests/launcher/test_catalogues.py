"""`make install` and `make run` compile catalogues that are stale, and say nothing when there are none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.german import HEADER, write_catalogue
from tests.launcher.launching import CHECKOUT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Installed already: nothing is left to do but the catalogues."""
    place = tmp_path / "clone ü"
    for name in ("launcher", "languages"):
        shutil.copytree(CHECKOUT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in CHECKOUT.glob("requirements*.txt"):
        shutil.copy(file, place)
    (place / ".venv").symlink_to(CHECKOUT / ".venv")
    return place


def install(clone: Path) -> subprocess.CompletedProcess[str]:
    """With a PATH on which there is no msgfmt, nor anything else."""
    environ = {**os.environ, "PATH": str(clone)}
    command = [sys.executable, "-m", "launcher", "install"]
    return subprocess.run(command, cwd=clone, env=environ, capture_output=True, text=True, check=False)


def test_without_a_catalogue_nothing_is_printed(clone):
    done = install(clone)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_catalogue_is_compiled_and_again_when_it_has_changed(clone):
    source = write_catalogue(clone / "locale", {"Sign in": "Anmelden"})
    first, compiled = install(clone), source.with_suffix(".mo")
    written_at = compiled.stat().st_mtime_ns

    install(clone)
    untouched = compiled.stat().st_mtime_ns == written_at
    write_catalogue(clone / "locale", {"Sign in": "Einloggen"})
    install(clone)

    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    assert untouched
    assert b"Einloggen" in compiled.read_bytes()


def test_a_catalogue_that_was_removed_is_offered_no_more(clone):
    source = write_catalogue(clone / "locale", {"Sign in": "Anmelden"})
    install(clone)
    source.unlink()

    install(clone)

    assert not source.with_suffix(".mo").exists()


def test_a_defect_stops_it_with_a_sentence_that_names_file_and_line(clone):
    source = write_catalogue(clone / "locale", {})
    source.write_text(HEADER + 'msgid "Sign in"\nmsgstr "Anmelden\n')

    done = install(clone)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"A translation could not be compiled: {source}, line 6: ")
    assert done.stderr.count("\n") == 1
