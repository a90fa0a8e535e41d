"""Migrations stand still: `python -m tests.migrations`, a part of `make check`, refuses what was edited or removed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.migrations import ROOT, present

EDITED = "reminders/migrations/0006_history_by_age.py"
NEW = "reminders/migrations/0099_new.py"
RECORD = "python -m tests.migrations --record"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the command reads, and the command."""
    for name in ["migrations.sha256", "tests/__init__.py", "tests/migrations.py", *present()]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "docs/decisions").mkdir(parents=True)
    return tmp_path


def run(checkout: Path, *arguments: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.migrations", *arguments], cwd=checkout, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def append(file: Path, text: str) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.write(text)


def manifest(checkout: Path) -> list[str]:
    return (checkout / "migrations.sha256").read_text(encoding="utf-8").splitlines()


def line_of(checkout: Path, path: str) -> str:
    (line,) = (line for line in manifest(checkout) if line.endswith(f"  {path}"))
    return line


def write_over(checkout: Path, line: str, instead: str) -> None:
    lines = [instead if each == line else each for each in manifest(checkout)]
    (checkout / "migrations.sha256").write_text("".join(f"{each}\n" for each in lines if each), encoding="utf-8")


def commit(checkout: Path) -> None:
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=A step"]):
        git(checkout, *arguments)


def git(checkout: Path, *arguments: str) -> None:
    environ = {
        **os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull,
        **{f"GIT_{who}_{what}": "somebody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }  # fmt: skip
    subprocess.run(["git", *arguments], cwd=checkout, env=environ, check=True, timeout=60)


def test_the_migrations_of_this_repository_stand(checkout):
    assert run(checkout) == (0, f"{len(present())} migrations stand as they were recorded.\n")


def test_the_manifest_is_one_of_sha256sum(checkout):
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "migrations.sha256"], cwd=checkout, check=True)


def test_a_changed_migration_is_refused(checkout):
    append(checkout / EDITED, "# One more line.\n")

    code, said = run(checkout)

    assert code == 1
    assert said == f"{EDITED} was changed: restore it, and make the difference in a new migration.\n"


def test_a_removed_migration_is_refused(checkout):
    (checkout / EDITED).unlink()

    assert run(checkout) == (1, f"{EDITED} is missing: restore it.\n")


def test_a_new_migration_is_refused_until_it_is_recorded(checkout):
    before = manifest(checkout)
    append(checkout / NEW, "# A migration.\n")

    assert run(checkout) == (1, f"{NEW} is not recorded: {RECORD} records it.\n")
    assert run(checkout, "--record")[0] == 0
    assert run(checkout)[0] == 0
    assert [line for line in manifest(checkout) if line not in before] == [line_of(checkout, NEW)]
    assert set(before) < set(manifest(checkout))


def test_recording_does_not_accept_a_change(checkout):
    before = manifest(checkout)
    append(checkout / EDITED, "# One more line.\n")

    code, said = run(checkout, "--record")

    assert code == 1
    assert f"{EDITED} was changed" in said
    assert manifest(checkout) == before


def test_an_unknown_argument_records_nothing(checkout):
    append(checkout / NEW, "# A migration.\n")
    before = manifest(checkout)

    assert run(checkout, "--recrod")[0] == 2
    assert manifest(checkout) == before


@pytest.mark.system("git")
@pytest.mark.parametrize("is_committed", [False, True], ids=["in the worktree", "committed"])
@pytest.mark.parametrize("instead", ["", "its own digest"])
def test_a_line_that_was_committed_is_replaced_by_a_decision_alone(checkout, instead, is_committed):
    commit(checkout)
    line = line_of(checkout, EDITED)
    if instead:
        append(checkout / EDITED, "# One more line.\n")
        write_over(checkout, line, f"{present_digest(checkout)}  {EDITED}")
    else:
        (checkout / EDITED).unlink()
        write_over(checkout, line, "")
    if is_committed:
        commit(checkout)

    code, said = run(checkout)
    (checkout / "docs/decisions/0099-a-new-beginning.md").write_text(f"# 99. A new beginning\n\n    {line}\n")

    assert code == 1
    assert said.startswith(f"{EDITED} was recorded as {line[:12]}… in an earlier commit:")
    assert run(checkout)[0] == 0


def present_digest(checkout: Path) -> str:
    summed = subprocess.run(["sha256sum", EDITED], cwd=checkout, capture_output=True, text=True, check=True)
    return summed.stdout.partition(" ")[0]


@pytest.mark.system("git")
def test_a_merge_made_from_the_branch_hides_nothing_of_main(checkout):
    """Its first parent is the branch, so that main's own commits are beside the line that is looked at."""
    commit(checkout)
    git(checkout, "branch", "mine")
    append(checkout / NEW, "# Of main.\n")
    run(checkout, "--record")
    commit(checkout)
    git(checkout, "checkout", "--quiet", "-b", "theirs")
    git(checkout, "checkout", "--quiet", "mine")
    git(checkout, "merge", "--quiet", "--no-ff", "--no-commit", "theirs")
    write_over(checkout, line_of(checkout, NEW), "")
    (checkout / NEW).unlink()
    commit(checkout)

    code, said = run(checkout)

    assert code == 1
    assert said.startswith(f"{NEW} was recorded as")


@pytest.mark.system("git")
def test_what_was_recorded_and_not_committed_may_be_recorded_again(checkout):
    commit(checkout)
    append(checkout / NEW, "# A migration.\n")
    run(checkout, "--record")
    append(checkout / NEW, "# And its second thought.\n")

    write_over(checkout, line_of(checkout, NEW), "")
    run(checkout, "--record")

    assert run(checkout)[0] == 0
