"""The documentation keeps up with what it is about: links lead somewhere, and what is named exists."""

import re
from importlib import import_module

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.production.files import CHECKOUT, procfile, text

PAGES = sorted(
    str(page.relative_to(CHECKOUT)) for page in [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")]
)  # fmt: skip
MODULES = {
    "planning": "reminders", "dispatching": "reminders", "delivering": "reminders", "sweep": "reminders",
    "telling": "reminders", "services": "reminders attachments", "claims": "work", "breaker": "work", "bell": "work",
    "step": "work",
    "deadline": "reminders.channels", "ledger": "schedules", "runs": "schedules", "publishing": "schedules",
    "taking": "schedules", "changes": "schedules", "receiving": "attachments", "files": "attachments",
    "scanning": "attachments", "thumbnailing": "attachments", "recovering": "attachments", "processing": "attachments",
    "downloads": "attachments", "erasing": "attachments", "clamd": "attachments",
}  # fmt: skip


def anchors(page: str) -> set[str]:
    """Of the headings, as the usual viewers make them."""
    headings = re.findall(r"(?m)^#+ (.+)$", text(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        found = (CHECKOUT / page).parent / path if path else CHECKOUT / page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(str(found.resolve().relative_to(CHECKOUT))), target


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/lifecycle.md"])
def test_functions_that_are_named_exist(page):
    named = {
        (module, name)
        for module, name in re.findall(r"\b([a-z_]+)\.([A-Za-z_]+)\b", code_of(page))
        if module in MODULES and name != "py"
    }

    missing = [
        (module, name)
        for module, name in named
        if not any(hasattr(import_module(f"{app}.{module}"), name) for app in MODULES[module].split())
    ]

    assert len(named) >= 8
    assert missing == []


def code_of(page: str) -> str:
    """What stands as code in a page, and what its pictures say."""
    return "\n".join([*re.findall(r"`([^`\n]+)`", text(page)), *re.findall(r"(?s)```mermaid(.*?)```", text(page))])


def test_every_address_of_the_api_is_described():
    schema = SchemaGenerator().get_schema(public=True)
    described = text("docs/api.md")

    for path in schema["paths"]:
        short = path.removeprefix("/api/v1/").replace("{id}/", "")
        assert short.split("/")[0] + "/" in described, path
        last = path.rstrip("/").rsplit("/", 1)[-1]
        if path.endswith("}/" + last + "/"):
            assert re.search(rf"/(?:\{{id\}}|1)/{last}/", described), path


def test_the_operators_page_names_every_process():
    table = text("docs/operations.md")

    for name in set(procfile()) - {"release"}:
        assert f"| `{name}` |" in table
