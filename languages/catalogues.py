"""Compile the catalogues: locale/<language>/LC_MESSAGES/django.po, the source, to the django.mo that is read.

`python -m languages.catalogues` needs neither settings nor servers, and none of gettext's programs: Babel does it.

A catalogue with a defect stops it with one sentence that names file and line. Some defects would only be met by the
person whose page breaks: a placeholder that is misspelt, or a plural rule that cannot be read.
"""

import gettext
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

LOCALE_DIR = Path(__file__).resolve().parent.parent / "locale"
SOURCES = "*/LC_MESSAGES/django.po"
COMPILED = "*/LC_MESSAGES/django.mo"

LINE = re.compile(r'(?:(?:msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?)\s+)?"(?:[^"\\]|\\.)*"')
"""A line that says something. Babel takes half of one, without its closing quote, for an empty text."""

PLACEHOLDER = re.compile(r"%\((\w+)\)")
FORMAT_FIELD = re.compile(r"\{(\w+)\}")
"""Of the few texts that a library fills in by str.format."""


class CatalogueError(Exception):
    """{path}, line {line}: {why}."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(str(self.__doc__).format(path=path, line=line, why=why.rstrip(".")))


def compile_catalogues(locale_dir: Path = LOCALE_DIR) -> list[Path]:
    """Compile each catalogue, and delete what was compiled of one that is gone; return what was written."""
    compiled = [compile_catalogue(source) for source in sorted(locale_dir.glob(SOURCES))]
    for orphan in set(locale_dir.glob(COMPILED)) - set(compiled):
        orphan.unlink(missing_ok=True)
    return compiled


def compile_catalogue(source: Path) -> Path:
    """Written beside it, whole or not at all: a process may be starting that reads it."""
    catalogue = read(source)
    content = io.BytesIO()
    write_mo(content, catalogue)
    check_plurals(source, content)
    target = source.with_suffix(".mo")
    draft = source.with_suffix(".mo.new")
    draft.write_bytes(content.getvalue())
    draft.replace(target)
    return target


def read(source: Path) -> Catalog:
    """The catalogue, if it has no defect; else CatalogueError."""
    lines = list(lines_of(source))
    try:
        catalogue = read_po(lines, locale=source.parents[1].name, domain="django", abort_invalid=True)
    except PoFileError as error:
        raise CatalogueError(source, error.lineno + 1, str(error).partition(" on ")[0]) from error
    if catalogue.locale is None:
        raise CatalogueError(source, 1, f"{source.parents[1].name} is no language")
    catalogue.charset = "utf-8"
    for message in catalogue:
        if message.id and (why := defect_of(message)):
            raise CatalogueError(source, message.lineno or 1, why)
    return catalogue


def lines_of(source: Path) -> Iterator[str]:
    for number, raw in enumerate(source.read_bytes().splitlines(), start=1):
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            raise CatalogueError(source, number, "this is not UTF-8") from error
        if line.strip() and not line.startswith("#") and not LINE.fullmatch(line.strip()):
            raise CatalogueError(source, number, "this is neither a comment nor a keyword with a text in quotes")
        yield line


def defect_of(message: Message) -> str:
    """What is wrong with the placeholders of a translation; empty if nothing is."""
    original = " ".join(texts(message.id))
    names, fields = set(PLACEHOLDER.findall(original)), set(FORMAT_FIELD.findall(original))
    for text in filter(None, texts(message.string)):
        if unknown := set(FORMAT_FIELD.findall(text)) - fields:
            return f"the placeholder {unknown.pop()!r} is not in the original"
        if "%" in text and "%" not in original:
            return "it has a per cent sign, which the original has not"  # a template would fill it in
        try:
            filled_in(text, names)
        except KeyError as error:
            return f"the placeholder {error} is not in the original"
        except (ValueError, TypeError):
            return "a placeholder is incomplete"
    return ""


def filled_in(text: str, names: set[str]) -> str:
    """As it will be done, with texts: of a number, %(file) der … would be made without complaint."""
    return text % dict.fromkeys(names, "0") if names else text


def texts(value: Any) -> tuple[str, ...]:
    """Singular and plurals."""
    return value if isinstance(value, tuple) else (value,)


def check_plurals(source: Path, content: io.BytesIO) -> None:
    """Babel writes any rule for plurals; whoever reads the catalogue must understand it."""
    content.seek(0)
    try:
        gettext.GNUTranslations(content)
    except ValueError as error:
        lines = source.read_text(encoding="utf-8").splitlines()
        number = next((number for number, line in enumerate(lines, start=1) if "Plural-Forms" in line), 1)
        raise CatalogueError(source, number, f"the rule for plurals cannot be read ({error})") from error


def main() -> int:
    try:
        compile_catalogues()
    except CatalogueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
