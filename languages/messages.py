"""`make messages`: bring the catalogues up to date with the texts in the code, and begin one for a new language.

Texts stand in calls of gettext, in the tags of templates, and in the docstrings of errors, which are their messages.
For developers alone, in pure Python: Django's own makemessages wants gettext's programs.
"""

import ast
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir, extract_python
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from languages.catalogues import LOCALE_DIR, SOURCES

ROOMS = ("accounts", "attachments", "config", "edges", "reminders", "schedules", "taskapp", "work")
METHODS = [
    ("**/errors.py", "languages.messages:errors"),
    ("**.py", "python"),
    ("**/templates/**.html", "languages.messages:template"),
    ("**/templates/**.txt", "languages.messages:template"),
]
KEYWORDS: dict[str, Any] = {
    **DEFAULT_KEYWORDS, "gettext_lazy": None, "ngettext_lazy": (1, 2), "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}  # fmt: skip

Found = Iterator[tuple[Any, ...]]
"""Line, name of the function, its texts, and comments for translators; as Babel has it."""


def template(file: IO[bytes], keywords: Any, comments: Any, options: Any) -> Found:
    """The texts in a template's tags.

    Django turns these into calls and all else into X. In parentheses that is Python, whatever its indentation.
    """
    source = templatize(file.read().decode())
    yield from extract_python(io.BytesIO(f"({source})".encode()), keywords, comments, {"encoding": "utf-8"})


def errors(file: IO[bytes], keywords: Any, comments: Any, options: Any) -> Found:
    """The docstrings of exceptions, and the texts in calls."""
    source = file.read()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and (text := ast.get_docstring(node)):
            yield node.lineno, "gettext", text, []
    yield from extract_python(io.BytesIO(source), keywords, comments, options)


def collect(root: Path = LOCALE_DIR.parent) -> Catalog:
    """All texts of the code, without translations."""
    found = Catalog(domain="django", charset="utf-8")
    for room in ROOMS:
        for name, line, text, comments, context in extract_from_dir(root / room, METHODS, keywords=KEYWORDS):
            found.add(text, locations=[(f"{room}/{name}", line)], auto_comments=comments, context=context)
    return found


def new_catalogue(language: str) -> Catalog:
    header = "# The texts of Taskapp, kept by `make messages`."
    return Catalog(locale=language, domain="django", charset="utf-8", header_comment=header, fuzzy=False)


def update(source: Path, texts: Catalog) -> Catalog:
    """The catalogue with these texts: what was translated stays, what is new is empty, what is gone goes."""
    with source.open("rb") as file:
        catalogue = read_po(file, locale=source.parents[1].name, domain="django")
    texts.creation_date = catalogue.creation_date  # else each run would change the file
    catalogue.update(texts, no_fuzzy_matching=True)
    return catalogue


def write(source: Path, catalogue: Catalog) -> None:
    source.parent.mkdir(parents=True, exist_ok=True)
    with source.open("wb") as file:
        write_po(file, catalogue, width=120, sort_by_file=True, include_lineno=False, ignore_obsolete=True)


def main(languages: list[str]) -> int:
    texts = collect()
    for language in languages:
        source = LOCALE_DIR / language / "LC_MESSAGES" / "django.po"
        if not source.exists():
            write(source, new_catalogue(language))
    for source in sorted(LOCALE_DIR.glob(SOURCES)):
        catalogue = update(source, texts)
        write(source, catalogue)
        missing = sum(not message.string for message in catalogue if message.id)
        print(f"{source.relative_to(LOCALE_DIR.parent)}: {len(catalogue)} texts, {missing} without a translation")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
