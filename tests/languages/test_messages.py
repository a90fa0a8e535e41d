"""The texts of the code are found where they stand, and catalogues follow them."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from languages.catalogues import compile_catalogues
from languages.messages import ROOMS, collect, update, write
from tests.german import TEXTS, write_catalogue
from tests.production.files import CHECKOUT

CALLS = {"gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"}


@pytest.fixture(scope="module")
def texts():
    return collect()


@pytest.mark.parametrize(
    "text",
    [
        "There is nothing here.",  # a call
        "“%(value)s” is not a time zone; use an IANA name such as Europe/Berlin.",  # a lazy one
        "There is another tag of this name.",  # the docstring of an error
        "Open the task",  # a tag, in a page and in a mail
        "Due: %(due)s",  # a block with a name
        "healthy,not healthy",  # the argument of a filter
        "D j M Y",  # the order of a date
        "To do",  # a state
    ],
)
def test_a_text_is_found_wherever_it_stands(texts, text):
    assert texts.get(text) is not None


def test_a_context_tells_two_texts_apart(texts):
    assert texts.get("To", context="of a mail") is not None
    assert texts.get("To") is None


def test_the_catalogue_of_the_tests_says_nothing_that_the_code_does_not(texts):
    assert [text for text in TEXTS if texts.get(text) is None] == []


def test_what_was_translated_stays_what_is_new_is_empty_and_what_is_gone_goes(tmp_path):
    source = write_catalogue(tmp_path, {"Sign in": "Anmelden", "No longer said": "Weg"})

    write(source, update(source, collect()))
    once = source.read_text()
    write(source, update(source, collect()))

    assert 'msgid "Sign in"\nmsgstr "Anmelden"' in once
    assert 'msgid "Sign out"\nmsgstr ""' in once
    assert "No longer said" not in once
    assert source.read_text() == once
    assert compile_catalogues(tmp_path) == [source.with_suffix(".mo")]


def test_a_new_language_begins_with_one_command_and_no_program_of_gettexts(tmp_path):
    for name in ("languages", *ROOMS):
        (tmp_path / name).symlink_to(CHECKOUT / name)
    program = (
        "from pathlib import Path; from languages import messages; messages.LOCALE_DIR = Path('locale').resolve();"
        "messages.main(['de'])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PATH": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("locale/de/LC_MESSAGES/django.po: ")
    assert "nplurals=2" in (tmp_path / "locale/de/LC_MESSAGES/django.po").read_text()


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield node


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_translated_is_a_constant(room):
    """What is put together while the program runs, as in an f-string, is in no catalogue."""
    wrong = [
        f"{path.relative_to(CHECKOUT)}:{call.lineno}"
        for path in (CHECKOUT / room).rglob("*.py")
        for call in calls(path)
        if not isinstance(call.args[0], ast.Constant) and ast.unparse(call.args[0]) != "str(self.__doc__)"
    ]

    assert wrong == []


@pytest.mark.parametrize("room", ROOMS)
def test_whatever_is_translated_is_found(texts, room):
    """A call inside an f-string is not."""
    said = [
        call.args[0].value
        for path in (CHECKOUT / room).rglob("*.py")
        for call in calls(path)
        if isinstance(call.args[0], ast.Constant)
    ]

    assert [text for text in said if texts.get(text) is None] == []
