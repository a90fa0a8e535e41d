""".env.example and docs/configuration.md name exactly the variables that are read, with their defaults."""

import re

import pytest

from tests.production.files import (
    compose_variables,
    example_variables,
    other_variables,
    required_by_compose,
    settings_variables,
    text,
)

URLS = {"DATABASE_URL", "REDIS_URL", "EMAIL_URL", "ATTACHMENT_STORAGE_URL", "CLAMD_URL"}


def every_variable() -> set[str]:
    return set(settings_variables()) | set(other_variables()) | compose_variables()


def documented() -> dict[str, str]:
    """Names and defaults in the tables of docs/configuration.md."""
    rows = re.findall(r"(?m)^\| `([A-Z_]+)`(?: ¹)? \| ([^|]+) \|", text("docs/configuration.md"))
    return {name: default.strip().strip("`") for name, default in rows}


def defaults() -> dict[str, str]:
    """As they are written in a file: text, whichever type the code has."""
    known = {name: value for name, value in other_variables().items() if value}
    for name, value in settings_variables().items():
        known[name] = "" if value == [] else str(value).lower() if isinstance(value, bool) else str(value)
    return known


def test_the_code_is_read_rightly():
    assert {"DATABASE_URL", "REMINDER_WINDOW_HOURS"} <= set(settings_variables())
    assert {"WEB_CONCURRENCY", "ADMIN_PASSWORD"} <= set(other_variables())
    assert {"FLOWER_BASIC_AUTH", "POSTGRES_PASSWORD"} <= compose_variables()


def test_the_example_has_every_variable_and_no_other():
    assert set(example_variables()) == every_variable()


def test_the_documentation_has_every_variable_and_no_other():
    assert set(documented()) == every_variable()


def test_what_compose_requires_is_there_to_be_filled_in():
    to_fill_in = {name for name, (value, is_comment) in example_variables().items() if not is_comment and not value}

    assert to_fill_in == required_by_compose()


@pytest.mark.parametrize("name", sorted(set(defaults()) - URLS))
def test_the_default_is_the_one_in_the_code(name):
    """These URLs have none; the example shows their form."""
    shown = {"none": "", "": ""}

    assert example_variables()[name][0] == defaults()[name]
    assert shown.get(documented()[name], documented()[name]) == defaults()[name]
