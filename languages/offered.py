"""The languages that are offered: English, and each that has a compiled catalogue. For the settings."""

from pathlib import Path

from django.conf.locale import LANG_INFO

ENGLISH = "en"
"""What the messages in the code are written in, so it has no catalogue."""


def offered_languages(locale_dir: Path) -> list[tuple[str, str]]:
    """Code and own name of each, as LANGUAGES has them; English first.

    The compiled catalogue decides and not its source: a language that was never compiled would be half translated, by
    the catalogues that Django brings.
    """
    compiled = {code_of(path) for path in locale_dir.glob("*/LC_MESSAGES/django.mo")}
    return [(code, own_name(code)) for code in (ENGLISH, *sorted(compiled - {ENGLISH}))]


def code_of(catalogue: Path) -> str:
    """The language of locale/pt_BR/LC_MESSAGES/django.mo: pt-br."""
    return catalogue.parents[1].name.lower().replace("_", "-")


def own_name(code: str) -> str:
    """What the language calls itself: Deutsch."""
    return str(LANG_INFO.get(code, {}).get("name_local", code))
