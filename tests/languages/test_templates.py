"""Whatever a template says to a person can be translated: no text stands outside of a translation tag."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template.base import Lexer, Token, TokenType

from tests.production.files import CHECKOUT

TEMPLATES = sorted(
    str(path.relative_to(CHECKOUT))
    for path in CHECKOUT.glob("*/templates/**/*")
    if path.suffix in {".html", ".txt"} and ".venv" not in path.parts
)

SAME_IN_EVERY_LANGUAGE = {
    "Taskapp": "the name of the product",
    "Authorization: Bearer tk_…": "a header, as a program sends it",
    "tk_": "how a token begins",
    "Message-ID": "the name of a header",
    "Z": "the mark of UTC in a time",
}
"""Texts that stand outside, and why."""

NOT_READ = {
    "good,bad": "names of CSS classes",
    "Y-m-d H:i:s": "ISO 8601 in the admin, which is the same everywhere",
}
"""Words in the arguments of filters that nobody reads."""

READ_ALOUD = {"alt", "aria-label", "placeholder", "title"}
"""Attributes whose value a person meets."""


class Words(HTMLParser):
    """What a person reads of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in READ_ALOUD]


def untranslated(source: str, *, is_html: bool = True) -> list[str]:
    """The texts outside of translation tags, and the words in filters' arguments."""
    tokens = list(Lexer(source).tokenize())
    rest = "".join(outside(tokens))
    words = Words()
    words.feed(rest) if is_html else words.handle_data(rest)
    words.close()
    return [text for text in map(str.strip, [*words.found, *arguments(tokens)]) if has_words(text)]


def outside(tokens: list[Token]) -> Iterator[str]:
    """The texts between the tags, without those inside {% blocktranslate %}."""
    is_inside = False
    for token in tokens:
        name = token.contents.split(maxsplit=1)[0] if token.token_type is TokenType.BLOCK else ""
        if name in {"blocktranslate", "endblocktranslate"}:
            is_inside = name == "blocktranslate"
        elif token.token_type is TokenType.TEXT and not is_inside:
            yield token.contents


def arguments(tokens: list[Token]) -> Iterator[str]:
    """Constants that a filter is given, but for those in _(…), which are translated."""
    for token in tokens:
        if token.token_type in {TokenType.VAR, TokenType.BLOCK}:
            yield from re.findall(r""":["']([^"']*)["']""", token.contents)


def has_words(text: str) -> bool:
    for name in SAME_IN_EVERY_LANGUAGE:
        text = text.removeprefix(name).removesuffix(name)
    return bool(re.search(r"[^\W\d_]", text)) and text not in NOT_READ


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_text_stands_in_a_translation_tag(template):
    source = (CHECKOUT / template).read_text(encoding="utf-8")

    assert untranslated(source, is_html=Path(template).suffix == ".html") == []


def test_the_templates_are_found():
    assert len(TEMPLATES) >= 28


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<h1>Sign in</h1>", ["Sign in"]),
        ('<h1>{% translate "Sign in" %}</h1>', []),
        ("<p>{% blocktranslate %}Due: {{ due }}{% endblocktranslate %}</p> later", ["later"]),
        ('<nav aria-label="Main">', ["Main"]),
        ("<nav aria-label=\"{% translate 'Main' %}\">", []),
        ('<i class="card">{{ ok|yesno:"ok,down" }}</i>', ["ok,down"]),
        ('<i>{{ ok|yesno:_("ok,down") }}</i>', []),
        ('<i>{{ at|date:"j M Y" }}</i>', ["j M Y"]),  # the order of a date is a matter of language
        ("<b>·</b> 3, {{ name }}: ", []),
    ],
)
def test_what_is_not_translated_is_found(source, found):
    assert untranslated(source) == found


def test_a_mail_in_plain_text_has_no_tags_to_hide_behind():
    assert untranslated("Open <here>: {{ url }}", is_html=False) == ["Open <here>:"]
