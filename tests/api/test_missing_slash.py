"""A client that follows a redirect from a POST goes on with a GET, and what it posted is lost without a word."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.factories import make_task


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_write_without_the_slash_is_not_redirected(api, alice, method):
    answer = getattr(api(alice), method)("/api/v1/tasks", {"title": "Pay the rent"})

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_an_upload_without_the_slash_is_not_redirected(api, alice):
    path = f"/api/v1/tasks/{make_task(alice).pk}/attachments"

    answer = api(alice).post(path, {"file": SimpleUploadedFile("a.txt", b"hello")}, format="multipart")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_a_read_without_the_slash_is_redirected(api, alice):
    answer = api(alice).get("/api/v1/tasks")

    assert (answer.status_code, answer["Location"]) == (301, "/api/v1/tasks/")
