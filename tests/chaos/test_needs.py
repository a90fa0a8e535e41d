"""`make bench`, `make chaos` and `make mutants` say what they need before they start, and show what is finished."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import __main__ as chaos
from tests.chaos import report
from tests.e2e.service import ROOT
from tests.mutants.__main__ import packages_of
from tests.needs import Need, left_out, program

HERE, AWAY = Need("here", lambda: True), Need("away", lambda: False)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH that holds nothing but git."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "git").write_text("")
    (place / "git").chmod(0o700)
    return place


def begin(path: Path, *words: str, ci: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env={**os.environ, "PATH": str(path), "CI": ci},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "lacks"),
    [
        (["benchmarks", "--quick"], "postfix, wrk (apt install postfix wrk)"),
        (["tests.chaos"], "clamav-daemon (apt install clamav-daemon)"),
        (["tests.mutants"], "clamav-daemon (apt install clamav-daemon)"),
    ],
)
def test_in_ci_nothing_starts_where_something_is_missing(bare: Path, words: list[str], lacks: str):
    done = begin(bare, *words, ci="true")

    assert done.returncode == 1
    assert done.stdout == ""
    assert f"lacks {lacks}, and does not start, since CI=true." in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["benchmarks", "delivering", "requests"], ["tests.chaos", "--only", "files"]])
def test_nothing_starts_where_all_of_it_is_left_out(bare: Path, words: list[str]):
    done = begin(bare, *words, ci="")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("and does not start, since nothing is left.\n")


def test_the_part_that_lacks_something_is_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CI", "")
    said: list[str] = []

    lacking = left_out({"one": [HERE], "two": [HERE, AWAY], "three": []}, say=said.append)

    assert lacking == {"two": "left out: needs the Debian package away"}
    assert said == [
        "This run needs the Debian packages away (for two), here (for one, two), lacks away (apt install away), "
        "and leaves out two."
    ]  # fmt: skip


def test_where_nothing_is_missing_it_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CI", "true")
    said: list[str] = []

    assert left_out({"one": [HERE], "two": []}, say=said.append) == {}
    assert said == ["This run needs the Debian package here (for one), and lacks none."]


def test_a_program_of_sbin_is_found_from_the_path_of_an_ordinary_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "sbin").mkdir()
    daemon = tmp_path / "sbin" / "a-daemon"
    daemon.write_text("")
    daemon.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")

    assert program("a-daemon") == str(daemon)
    assert program("another") == ""


def test_the_packages_of_a_test_file_are_those_of_its_marks():
    mark = "pytest.mark." + "system"  # in two, for .ci/run installs what it finds in a mark
    code = f'pytestmark = [pytest.mark.django_db, {mark}("one")]\n@{mark}("two")  # a reason\n'

    assert packages_of(code) == ["one", "two"]


def test_a_part_that_fails_keeps_its_outcomes_and_the_next_part_runs(capsys):
    def fails(outcomes: list[int]) -> None:
        outcomes.append(1)
        raise PermissionError("no scanner")

    outcomes: dict[str, list[int]] = {"first": [], "second": []}
    notes = {"third": "left out"}

    chaos.run_all({"first": fails, "second": lambda found: found.append(2)}, outcomes, notes)

    assert outcomes == {"first": [1], "second": [2]}
    assert notes == {"third": "left out", "first": "**ended early** by PermissionError: no scanner"}
    assert "Traceback" in capsys.readouterr().err


def test_after_an_interruption_the_parts_that_did_not_end_are_told():
    def is_interrupted(outcomes: list[int]) -> None:
        raise KeyboardInterrupt

    notes: dict[str, str] = {}

    with pytest.raises(KeyboardInterrupt):
        chaos.run_all({"first": is_interrupted, "second": list.clear}, {"first": [], "second": []}, notes)

    assert notes == {"first": "**ended early**", "second": "not run"}


def test_the_page_says_what_was_left_out():
    notes = {"files": "left out: needs the Debian package clamav-daemon", chaos.STEPS: "left out: needs libfaketime"}

    page = report.document(command="a command", outcomes={}, notes=notes, lease_seconds=4)

    assert "## Every point on the way of a file\n\nfiles: left out: needs the Debian package clamav-daemon.\n" in page
    assert "## Faults at random\n\nsoak's steps of the clock: left out: needs libfaketime.\n" in page
    assert "## A flood" not in page
