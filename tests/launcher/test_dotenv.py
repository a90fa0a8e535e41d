"""The launcher and the settings read .env alike."""

import io

from dotenv import dotenv_values

from launcher.dotenv import load, parse
from tests.production.files import text

FILE = """
# a comment
PLAIN=value
SPACED = some words   # a remark
QUOTED="with # and spaces"
SINGLE='a $dollar'
EMPTY=
export EXPORTED=yes
URL=postgresql://user:p%40ss@host:5432/name?sslmode=require
not a line
"""


def test_both_find_the_same():
    ours = dict(parse(FILE))

    theirs = dotenv_values(stream=io.StringIO(FILE.replace("not a line\n", "")), interpolate=False)

    assert ours == dict(theirs)


def test_both_find_the_same_in_the_example():
    example = text(".env.example").replace("#", "")

    ours = dict(parse("\n".join(line for line in example.splitlines() if "=" in line and " " not in line)))

    assert ours["REMINDER_WINDOW_HOURS"] == "24"


def test_the_environment_wins(tmp_path):
    (tmp_path / ".env").write_text("PORT=9000\nDEBUG=true\n")
    environ = {"PORT": "8001"}

    load(tmp_path / ".env", environ)

    assert environ == {"PORT": "8001", "DEBUG": "true"}


def test_no_file_is_nothing_to_read(tmp_path):
    environ: dict[str, str] = {}

    load(tmp_path / ".env", environ)

    assert environ == {}
