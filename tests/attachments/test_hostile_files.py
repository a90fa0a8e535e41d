"""Every odd and hostile file goes all the way: uploaded over HTTP, scanned by a real clamd, drawn, and fetched."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from attachments import drawing
from attachments.models import Attachment
from attachments.processing import process
from tests.attachments import corpus
from tests.attachments.children import Peak
from tests.attachments.corpus import FILES
from tests.clamav import EICAR, ClamAV
from tests.factories import make_task

State = Attachment.State
ENDS = {State.READY, State.INFECTED, State.UNSCANNABLE, State.FAILED}

INFECTED: dict[str, Callable[[], bytes]] = {
    "test virus": lambda: EICAR,
    "test virus in a zip": lambda: corpus.zip_of(virus=EICAR),
    "test virus behind a.gif": lambda: FILES["animated.gif"]() + EICAR,
    "test virus in a comment.jpg": lambda: corpus.with_segment(corpus.jpeg(), 0xFE, EICAR),
}
ALL = {**FILES, **INFECTED}

RUNS_IN_A_BROWSER = ("html", "xml", "svg", "javascript", "ecmascript", "css", "flash", "wasm")

pytestmark = pytest.mark.system("clamav-daemon")


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClamAV]:
    with ClamAV(tmp_path_factory.mktemp("clam")) as scanner:
        yield scanner


@pytest.fixture(autouse=True)
def _limits(settings, scanner: ClamAV) -> None:
    settings.CLAMD = {"path": str(scanner.socket)}
    settings.ATTACHMENT_LEASE_SECONDS = 12


def uploaded(client: APIClient, task_id: int, name: str) -> dict[str, Any]:
    file = io.BytesIO(ALL[name]())
    file.name = name
    response = client.post(f"/api/v1/tasks/{task_id}/attachments/", {"file": file}, format="multipart")
    assert response.status_code == 201, response.content
    return response.json()


def fetched(client: APIClient, url: str) -> Any:
    """The answer, with its `body`."""
    response = client.get(url)
    response.body = b"".join(response.streaming_content) if response.streaming else response.content
    return response


def brought_to_an_end(client: APIClient, id_: int) -> dict[str, Any]:
    """A run scans, and a run draws; none should have to wait for anything."""
    for _ in range(3):
        process()
        attachment = client.get(f"/api/v1/attachments/{id_}/").json()
        if attachment["state"] in ENDS:
            return attachment
    raise AssertionError(f"still {attachment['state']}: {attachment['reason']}; {attachment['scan']}")


@pytest.mark.parametrize("name", ALL)
def test_whatever_is_uploaded_ends_and_is_served_as_something_that_a_browser_does_not_run(alice, api, name):
    client = api(alice)
    made = uploaded(client, make_task(alice).pk, name)
    before = fetched(client, made["content_url"])

    with Peak(drawing.__file__) as peak:
        attachment = brought_to_an_end(client, made["id"])

    content = fetched(client, made["content_url"])
    small, large = (
        fetched(client, f"/api/v1/attachments/{made['id']}/thumbnail/?size={size}") for size in drawing.SIZES
    )
    assert before.status_code == 409
    assert (attachment["state"] == State.INFECTED) == (name in INFECTED)
    if attachment["state"] == State.READY:
        assert (content.status_code, content.body) == (200, ALL[name]())
        assert_safe(content)
        assert content["Content-Disposition"].startswith("attachment")
    else:
        assert attachment["reason"]
        assert content.status_code in {403, 409}
    if attachment["thumbnails"]:
        for thumbnail in (small, large):
            assert thumbnail.status_code == 200
            assert thumbnail["Content-Type"] == "image/webp"
            assert thumbnail.body[:4] == b"RIFF"
            assert_safe(thumbnail)
    else:
        assert {small.status_code, large.status_code} <= {403, 404, 409}
    assert peak.megabytes <= drawing.MOST_MEMORY // 2**20


def assert_safe(response: Any) -> None:
    assert not any(each in response["Content-Type"] for each in RUNS_IN_A_BROWSER)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_hostile_file_keeps_none_of_the_others_from_being_drawn(alice, api):
    client, task = api(alice), make_task(alice)
    names = ["bomb.pdf", "bomb.png", "page.pdf", "cut off.jpg", "draws itself.pdf", "animated.gif"]
    made = [uploaded(client, task.pk, name) for name in names]

    for _ in names:
        process(go_on=30)

    drawn = {
        name: client.get(f"/api/v1/attachments/{each['id']}/").json()["thumbnailing"]["status"]
        for name, each in zip(names, made, strict=True)
    }
    assert drawn == {
        "bomb.pdf": "failed", "bomb.png": "failed", "page.pdf": "done", "cut off.jpg": "failed",
        "draws itself.pdf": "failed", "animated.gif": "done",
    }  # fmt: skip


def test_the_corpus_is_large_small_and_the_same_each_time():
    files = {name: make() for name, make in FILES.items()}

    assert len(files) > 50
    assert max(map(len, files.values())) < 10_000_000
    assert files == {name: make() for name, make in FILES.items()}
