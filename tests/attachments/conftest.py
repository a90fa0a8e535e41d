"""Files of tests lie in a directory of the test's own, and the scanner is a real clamd."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attachments import files
from config.env import attachment_storage
from tests.attachments.storage import ObservedStorage
from tests.clamav import ClamAV
from work import failpoints


@pytest.fixture(autouse=True)
def stored(settings, tmp_path: Path) -> Path:
    """Where files lie in this test."""
    entry = attachment_storage("", tmp_path / "attachments")
    settings.STORAGES = {**settings.STORAGES, "attachments": entry}
    settings.UPLOAD_DIR = tmp_path / "uploads"
    return tmp_path / "attachments"


@pytest.fixture
def observed(settings, stored: Path) -> ObservedStorage:
    """The storage of this test, which tells what it was asked for, and can be broken."""
    name = f"{ObservedStorage.__module__}.{ObservedStorage.__qualname__}"
    entry = {**settings.STORAGES["attachments"], "BACKEND": name}
    settings.STORAGES = {**settings.STORAGES, "attachments": entry}
    storage = files.storage()
    assert isinstance(storage, ObservedStorage)
    return storage


@pytest.fixture
def at_point() -> Iterator[Callable[[str, Callable[[], object]], None]]:
    """at_point("file written", act): do that, once, where the product comes to this point."""
    acts: dict[str, Callable[[], object]] = {}

    def arrive(point: str, facts: object) -> None:
        if act := acts.pop(point, None):
            act()

    failpoints.at_point = arrive
    yield acts.__setitem__
    failpoints.at_point = failpoints.nothing
    assert not acts, "the product did not come there"


@pytest.fixture(scope="session")
def _clamd(tmp_path_factory) -> Iterator[ClamAV]:
    with ClamAV(tmp_path_factory.mktemp("clamd")) as clamd:
        yield clamd


@pytest.fixture
def scanner(_clamd: ClamAV, settings) -> Iterator[ClamAV]:
    """A clamd that answers, and that the settings name; a test may stop or freeze it."""
    settings.CLAMD = {"path": str(_clamd.socket)}
    yield _clamd
    _clamd.revive()
