"""Fetching files and thumbnails over HTTP: what may be fetched, by whom, and how it is sent."""

from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections
from rest_framework.test import APIClient

from attachments.models import Attachment
from taskapp.services import delete_task
from tests.attachments.storage import files_in
from tests.factories import make_attachment, make_task, make_thumbnail

CONTENT = b"Dear all,\n" + b"hello\n" * 50_000


@pytest.fixture
def attachment(alice) -> Attachment:
    return make_attachment(make_task(alice), content=CONTENT)


def path_of(attachment: Attachment, part: str = "content/") -> str:
    return f"/api/v1/attachments/{attachment.pk}/{part}"


def get(client: APIClient, path: str, *, method: str = "get", **headers: str) -> Any:
    """The answer, read to its end, with its `body`."""
    response = getattr(client, method)(path, headers=headers)
    response.body = b"".join(response.streaming_content) if response.streaming else response.content
    return response


def assert_problem(response, status: int, words: str = "") -> None:
    assert (response.status_code, response.json()["status"]) == (status, status)
    assert response["Content-Type"] == "application/problem+json"
    assert words in response.json()["detail"]


@pytest.mark.parametrize("state", ["clean", "ready"])
def test_a_clean_file_is_sent_whole(alice, api, attachment, state):
    Attachment.objects.update(state=state)

    response = get(api(alice), path_of(attachment))

    assert response.status_code == 200
    assert response.body == CONTENT
    assert response["Content-Length"] == str(len(CONTENT))
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["ETag"] == f'"{attachment.sha256}"'
    assert response["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [
        ("uploaded", 409, "It has not been scanned yet."),
        ("scanning", 409, "It has not been scanned yet."),
        ("infected", 403, "It is quarantined: Win.Test."),
        ("unscannable", 403, "It is quarantined: Win.Test."),
        ("failed", 409, "Its scan has failed: Win.Test. Ask for another."),
    ],
)
@pytest.mark.parametrize("part", ["content/", "thumbnail/", "thumbnail/?size=large"])
def test_a_file_that_is_not_known_to_be_clean_is_not_sent(alice, api, attachment, state, status, words, part):
    make_thumbnail(attachment)
    make_thumbnail(attachment, size="large")
    Attachment.objects.update(state=state, reason="Win.Test")

    for headers in ({}, {"Range": "bytes=0-3"}, {"If-None-Match": f'"{attachment.sha256}"'}, {"Accept": "image/*"}):
        assert_problem(get(api(alice), path_of(attachment, part), **headers), status, words)


def test_a_download_is_sent_so_that_no_browser_runs_anything_of_it(alice, api, attachment):
    response = get(api(alice), path_of(attachment))

    assert response["Content-Disposition"] == 'attachment; filename="hello.txt"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("Grüße 🎉.txt", "attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe%20%F0%9F%8E%89.txt"),
        ("a b;c=d.txt", 'attachment; filename="a b;c=d.txt"'),
        ('a"b\\c.txt', r'attachment; filename="a\"b\\c.txt"'),  # of a row that was written past us
    ],
)
def test_the_name_is_sent_as_rfc_5987_has_it(alice, api, attachment, name, disposition):
    Attachment.objects.update(name=name)

    assert get(api(alice), path_of(attachment))["Content-Disposition"] == disposition


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript"])
def test_a_type_that_a_browser_runs_is_never_sent(alice, api, attachment, kind):
    Attachment.objects.update(content_type=kind)

    assert get(api(alice), path_of(attachment))["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=65530-131080", 65530, 131080),  # across the chunks that are read
        ("bytes=300000-", 300_000, len(CONTENT) - 1),
        ("bytes=-5", len(CONTENT) - 5, len(CONTENT) - 1),
        ("bytes=300000-999999999", 300_000, len(CONTENT) - 1),
    ],
)
def test_a_part_is_sent_where_a_part_is_asked_for(alice, api, attachment, wanted, first, last):
    response = get(api(alice), path_of(attachment), Range=wanted)

    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert response["Content-Length"] == str(last - first + 1)
    assert response.body == CONTENT[first : last + 1]
    assert response["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("wanted", ["bytes=310000-", "bytes=-0"])
def test_a_range_outside_the_file_is_416(alice, api, attachment, wanted):
    response = get(api(alice), path_of(attachment), Range=wanted)

    assert_problem(response, 416, f"The file has {len(CONTENT)} bytes")
    assert response["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize("wanted", ["bytes=0-1,4-5", "lines=0-4", "bytes=4-3", "nonsense", "bytes=" + "0-1," * 1000])
def test_a_range_that_is_not_understood_gets_the_whole_file(alice, api, attachment, wanted):
    response = get(api(alice), path_of(attachment), Range=wanted)

    assert (response.status_code, response.body) == (200, CONTENT)
    assert "Content-Range" not in response


def test_a_part_is_sent_only_of_the_file_that_the_client_has_the_rest_of(alice, api, attachment):
    def status(if_range: str) -> int:
        headers = {"Range": "bytes=0-3", "If-Range": if_range}
        return int(get(api(alice), path_of(attachment), **headers).status_code)

    assert status(f'"{attachment.sha256}"') == 206
    assert status('"another"') == 200
    assert status(f'W/"{attachment.sha256}"') == 200  # a weak one will not do for parts
    assert status("Sun, 01 Mar 2026 09:00:00 GMT") == 200


@pytest.mark.parametrize("known", ['"{}"', 'W/"{}"', '"a", "{}"', '"a","{}"', "*"])
def test_what_the_client_has_already_is_not_sent_again(alice, api, attachment, known):
    response = get(api(alice), path_of(attachment), **{"If-None-Match": known.format(attachment.sha256)})

    assert (response.status_code, response.content) == (304, b"")
    assert response["ETag"] == f'"{attachment.sha256}"'
    assert response["Cache-Control"] == "private, no-cache"
    assert "Content-Type" not in response


@pytest.mark.parametrize("known", ['"another"', "", '"', "{}"])
def test_what_the_client_has_not_is_sent(alice, api, attachment, known):
    response = get(api(alice), path_of(attachment), **{"If-None-Match": known.format(attachment.sha256)})

    assert (response.status_code, response.body) == (200, CONTENT)


def test_head_says_what_get_would_and_sends_nothing(alice, api, attachment):
    response = get(api(alice), path_of(attachment), method="head", Range="bytes=0-3")

    assert (response.status_code, response.body) == (200, b"")
    assert response["Content-Length"] == str(len(CONTENT))
    assert response["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("accept", ["application/pdf", "image/*", "text/html", "application/json", "*/*", "x/y;q=0.1"])
@pytest.mark.parametrize("part", ["content/", "thumbnail/"])
def test_a_file_is_sent_whatever_the_client_accepts_and_a_problem_is_json(alice, api, attachment, part, accept):
    make_thumbnail(attachment)
    path, headers = path_of(attachment, part), {"Accept": accept}

    assert get(api(alice), path, **headers).status_code == 200
    Attachment.objects.update(state="uploaded")
    assert_problem(get(api(alice), path, **headers), 409)
    assert_problem(get(api(None), path, **headers), 401)
    delete_task(attachment.task)
    assert_problem(get(api(alice), path, **headers), 404)


@pytest.mark.parametrize("part", ["", "content/", "thumbnail/"])
def test_somebody_elses_file_is_not_there_not_even_for_staff(bob, staff, api, attachment, part):
    make_thumbnail(attachment)

    for user in (bob, staff):
        assert get(api(user), path_of(attachment, part)).status_code == 404
        assert get(api(user), path_of(attachment, part), method="head").status_code == 404
    assert get(api(None), path_of(attachment, part)).status_code == 401


def test_a_file_goes_to_whoever_owns_the_task_now(alice, bob, api, attachment):
    attachment.task.owner = bob
    attachment.task.save()

    assert get(api(bob), path_of(attachment)).status_code == 200
    assert get(api(alice), path_of(attachment)).status_code == 404


def test_a_thumbnail_is_sent_as_a_picture(alice, api, attachment):
    make_thumbnail(attachment, content=b"a small picture")
    make_thumbnail(attachment, content=b"a large picture", size="large")

    small, named, large = (
        get(api(alice), path_of(attachment, f"thumbnail/{query}")) for query in ("", "?size=small", "?size=large")
    )

    assert (small.body, named.body, large.body) == (b"a small picture", b"a small picture", b"a large picture")
    assert small["ETag"] == named["ETag"] != large["ETag"]
    assert large["Content-Type"] == "image/webp"
    assert large["Content-Disposition"] == 'inline; filename="hello.txt.large.webp"'
    assert large["X-Content-Type-Options"] == "nosniff"
    assert large["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_thumbnail_is_sent_in_part_and_not_twice(alice, api, attachment):
    make_thumbnail(attachment, content=b"a picture")
    path = path_of(attachment, "thumbnail/")
    etag = get(api(alice), path)["ETag"]

    part = get(api(alice), path, Range="bytes=2-")

    assert (part.status_code, part.body) == (206, b"picture")
    assert_problem(get(api(alice), path, Range="bytes=9-"), 416)
    assert get(api(alice), path, **{"If-None-Match": etag}).status_code == 304


def test_the_addresses_of_thumbnails_are_with_the_attachment(alice, api, attachment):
    make_thumbnail(attachment)

    (thumbnail,) = get(api(alice), path_of(attachment, "")).json()["thumbnails"]

    assert {name: thumbnail[name] for name in ("size", "width", "height", "bytes")} == {
        "size": "small", "width": 4, "height": 3, "bytes": 9,
    }  # fmt: skip
    assert get(api(alice), thumbnail["url"]).body == b"a picture"


@pytest.mark.parametrize("size", ["huge", "SMALL", "256", "small,large", "x" * 10_000])
def test_an_unknown_size_is_400(alice, api, attachment, size):
    response = get(api(alice), path_of(attachment, f"thumbnail/?size={size}"))

    assert_problem(response, 400)
    assert response.json()["errors"][0]["field"] == "size"


def test_a_thumbnail_that_is_not_there_is_404(alice, api, attachment):
    make_thumbnail(attachment)

    assert_problem(get(api(alice), path_of(attachment, "thumbnail/?size=large")), 404)


@pytest.mark.parametrize("part", ["content/", "thumbnail/"])
@pytest.mark.parametrize("method", ["get", "head"])
def test_a_file_that_the_storage_has_lost_is_503_and_no_defect(alice, api, attachment, stored, part, method):
    make_thumbnail(attachment)
    for path in files_in(stored):
        path.unlink()

    response = get(api(alice), path_of(attachment, part), method=method)

    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    if method == "get":
        assert response.json()["detail"] == "The stored file cannot be read. Try again later."


def test_a_deleted_file_cannot_be_fetched(alice, api, attachment):
    assert api(alice).delete(path_of(attachment, "")).status_code == 204

    assert_problem(get(api(alice), path_of(attachment)), 404)


@pytest.fixture
def _connection_of_the_test():
    """Stays open though a response is closed, for which Django's test client cares only of one that is read."""
    request_finished.disconnect(close_old_connections)
    yield
    request_finished.connect(close_old_connections)


@pytest.mark.usefixtures("_connection_of_the_test")
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=5-"}])
def test_a_file_is_closed_once_it_is_sent_or_given_up(alice, api, attachment, observed, headers):
    path = path_of(attachment)

    get(api(alice), path, **headers)
    get(api(alice), path, method="head", **headers)
    given_up = api(alice).get(path, headers=headers)
    next(iter(given_up.streaming_content))
    given_up.close()

    assert [file.closed for file in observed.opened] == [True, True, True]
