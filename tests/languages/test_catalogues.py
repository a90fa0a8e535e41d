"""A catalogue is compiled without gettext's programs, and one with a defect says where it is."""

import gettext
import subprocess
import sys

import pytest

from languages.catalogues import CatalogueError, compile_catalogues
from languages.offered import offered_languages
from tests.german import HEADER, write_catalogue
from tests.production.files import CHECKOUT


def test_a_language_is_offered_once_its_catalogue_is_compiled(tmp_path):
    write_catalogue(tmp_path, {"Sign in": "Anmelden"})
    write_catalogue(tmp_path, {"Sign in": "Entrar"}, language="pt_BR")
    before = offered_languages(tmp_path)

    compile_catalogues(tmp_path)

    assert before == [("en", "English")]
    assert offered_languages(tmp_path) == [("en", "English"), ("de", "Deutsch"), ("pt-br", "Português Brasileiro")]


def test_what_was_compiled_of_a_catalogue_that_is_gone_goes_too(tmp_path):
    write_catalogue(tmp_path, {"Sign in": "Entrar"}, language="pt_BR")
    source = write_catalogue(tmp_path, {"Sign in": "Anmelden"})
    compile_catalogues(tmp_path)
    source.unlink()

    compile_catalogues(tmp_path)

    assert offered_languages(tmp_path) == [("en", "English"), ("pt-br", "Português Brasileiro")]


def test_without_a_catalogue_there_is_nothing_to_do(tmp_path):
    assert compile_catalogues(tmp_path / "no such directory") == []
    assert offered_languages(tmp_path / "no such directory") == [("en", "English")]


def test_the_command_needs_neither_settings_nor_gettexts_programs(tmp_path):
    """As the image and `make install` call it, with nothing on the PATH."""
    (tmp_path / "languages").symlink_to(CHECKOUT / "languages")
    source = write_catalogue(tmp_path / "locale", {"Sign in": "Anmelden"})
    program = "from pathlib import Path; from languages.catalogues import *; compile_catalogues(Path('locale'))"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PATH": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with source.with_suffix(".mo").open("rb") as compiled:
        assert gettext.GNUTranslations(compiled).gettext("Sign in") == "Anmelden"


NAMED = 'msgid "%(count)s tasks"\n'


@pytest.mark.parametrize(
    ("body", "line", "why"),
    [
        ("Sign in = Anmelden\n", 6, "neither a comment nor a keyword"),
        ('msgid "Sign in"\nmsgstr "Anmelden\n', 7, "neither a comment nor a keyword"),  # no closing quote
        ('msgid "Sign in"\n\nmsgid "Sign out"\nmsgstr "Abmelden"\n', 6, "missing msgstr for msgid 'Sign in'"),
        (NAMED + 'msgstr "%(cuont)s Aufgaben"\n', 6, "the placeholder 'cuont' is not in the original"),
        (NAMED + 'msgstr "%(count) Aufgaben"\n', 6, "a placeholder is incomplete"),
        (NAMED + 'msgstr "%(count) der Aufgaben"\n', 6, "a placeholder is incomplete"),  # of a number it were one
        ('msgid "Sign in"\nmsgstr "Zu 100 % anmelden"\n', 6, "a per cent sign"),
        ('msgid "There is no page {page_number}."\nmsgstr "Keine Seite {seite}."\n', 6, "the placeholder 'seite'"),
        (NAMED + 'msgstr "100% von %(count)s"\n', 6, "a placeholder is incomplete"),
    ],
)
def test_a_defect_stops_it_with_file_and_line(tmp_path, body, line, why):
    source = write_catalogue(tmp_path, {})
    source.write_text(f"{HEADER}\n{body}")

    with pytest.raises(CatalogueError) as caught:
        compile_catalogues(tmp_path)

    assert str(caught.value).startswith(f"{source}, line {line}: ")
    assert why in str(caught.value)
    assert str(caught.value).count("\n") == 0
    assert not source.with_suffix(".mo").exists()


def test_a_rule_for_plurals_that_cannot_be_read_is_a_defect(tmp_path):
    source = write_catalogue(tmp_path, {"Sign in": "Anmelden"})
    source.write_text(source.read_text().replace("n != 1", "n !!= 1"))

    with pytest.raises(CatalogueError, match="line 4: the rule for plurals cannot be read"):
        compile_catalogues(tmp_path)


def test_what_is_not_utf8_is_a_defect(tmp_path):
    source = write_catalogue(tmp_path, {"Sign in": "Anmelden"})
    source.write_bytes(source.read_bytes() + "# Grüße\n".encode("latin-1"))

    with pytest.raises(CatalogueError, match="line 8: this is not UTF-8"):
        compile_catalogues(tmp_path)


def test_a_directory_that_is_no_language_is_a_defect(tmp_path):
    write_catalogue(tmp_path, {"Sign in": "Anmelden"}, language="xyzzy")

    with pytest.raises(CatalogueError, match="line 1: xyzzy is no language"):
        compile_catalogues(tmp_path)
