"""The web process as production runs it, and clients that send half a request, or a body without its length."""

import gzip
import json
import select
import socket
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.e2e.service import PASSWORD, Service

MANY = 500
HALF_A_HEAD = b"GET /api/v1/tasks/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Sl"
HALF_A_BODY = b"POST /api/v1/tokens/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n{"
JSON = "application/json"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with Service(tmp_path_factory.mktemp("data")) as service:
        service.start("web")
        service.sign_in()
        yield service
        assert "Traceback" not in service.log("web")


def ask(service, method: str, path: str, body: bytes = b"", *, in_parts_of: int = 0, **headers: str) -> tuple[int, Any]:
    """With `in_parts_of`, in chunks of so many bytes and without a length."""
    client = HTTPConnection("127.0.0.1", service.port, timeout=30)
    given = {"Authorization": f"Bearer {service.token}", **{name.replace("_", "-"): headers[name] for name in headers}}
    parts = [body[at : at + in_parts_of] for at in range(0, len(body), in_parts_of)] if in_parts_of else None
    try:
        client.request(method, path, iter(parts) if parts else body, given, encode_chunked=bool(parts))
        response = client.getresponse()
        content = response.read()
    finally:
        client.close()
    is_json = "json" in response.headers["Content-Type"]
    return response.status, json.loads(content) if is_json else content


def is_served_within(service, *, healthz: float, tasks: float) -> bool:
    began_at = time.monotonic()
    assert ask(service, "GET", "/healthz")[0] == 200
    then = time.monotonic()
    assert ask(service, "GET", "/api/v1/tasks/")[0] == 200
    return then - began_at <= healthz and time.monotonic() - then <= tasks


@pytest.mark.parametrize("half", [HALF_A_HEAD, HALF_A_BODY], ids=["heads", "bodies"])
def test_half_sent_requests_leave_the_rest_served(service, half):
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", service.port))) for _ in range(MANY)]

        for part in (half, b"x", b"x"):
            for client in slow:
                client.sendall(part)
            assert is_served_within(service, healthz=1, tasks=2)


@pytest.mark.slow
@pytest.mark.parametrize(("half", "after"), [(HALF_A_HEAD, 20), (HALF_A_BODY, 30)], ids=["heads", "bodies"])
def test_a_byte_each_five_seconds_is_408_in_the_end(service, half, after):
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", service.port))) for _ in range(MANY)]
        for client in slow:
            client.sendall(half)
        began_at = time.monotonic()

        while slow:
            answered, _, _ = select.select(slow, [], [], 5)
            for client in answered:
                assert client.recv(12) == b"HTTP/1.1 408"
                slow.remove(client)
            if answered:
                assert after - 2 <= time.monotonic() - began_at <= after + 10
            else:
                for client in slow:
                    client.sendall(b"x")
                assert is_served_within(service, healthz=1, tasks=2)


@pytest.mark.parametrize("in_parts_of", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("path", "contents"),
    [
        ("tasks/{task}/", [{"title": "In chunks", "description": "d" * 3000}, {"status": "done"}]),
        ("me/", [{"timezone": "Europe/Berlin"}, {"timezone": "UTC"}]),
        ("schedules/{schedule}/", [{"description": "Said in chunks"}, {"description": ""}]),
    ],
    ids=["a task", "oneself", "a schedule"],
)
def test_what_is_changed_by_a_body_in_chunks_is_changed(service, path, contents, in_parts_of):
    task = service.api("POST", "tasks/", {"title": "Whole"})["id"]
    schedule = service.api("GET", "schedules/")["results"][0]["id"]
    path = "/api/v1/" + path.format(task=task, schedule=schedule)

    for content in contents:
        body = json.dumps(content).encode()
        status, answer = ask(service, "PATCH", path, body, in_parts_of=in_parts_of, Content_Type=JSON)

        assert status == 200
        after = ask(service, "GET", path)[1]
        assert {name: (answer[name], after[name]) for name in content} == {
            name: (value, value) for name, value in content.items()
        }


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("tasks/", {"title": "x" * 1001}, 400),
        ("tasks/", {"title": "x", "tags": ["home"]}, 201),
        ("tokens/", {"username": "root", "password": PASSWORD}, 201),
        ("schedules/", {"name": "x", "job": "none"}, 400),
        ("schedules/preview/", {"crontab": {"minute": "61"}}, 400),
    ],
)
def test_what_is_made_of_a_body_in_chunks_is_made_of_all_of_it(service, path, body, status):
    """The same names as of a body whose length is told."""
    content = json.dumps(body).encode()

    whole, in_parts = (
        ask(service, "POST", f"/api/v1/{path}", content, in_parts_of=size, Content_Type=JSON) for size in (0, 5)
    )

    assert whole[0] == in_parts[0] == status
    assert in_parts[1].keys() == whole[1].keys()
    assert in_parts[1].get("errors") == whole[1].get("errors")


def test_a_file_in_chunks_is_received_whole(service):
    task = service.api("POST", "tasks/", {"title": "With a file"})["id"]
    content = bytes(range(256)) * 8000
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    form = head + content + b"\r\n--edge--\r\n"

    status, made = ask(
        service, "POST", f"/api/v1/tasks/{task}/attachments/", form, in_parts_of=9_999,
        Content_Type="multipart/form-data; boundary=edge",
    )  # fmt: skip

    assert (status, made["size"]) == (201, len(content))


def test_a_page_with_a_form_takes_one_in_chunks(service):
    with urlopen(f"{service.url}/accounts/login/", timeout=30) as page:
        cookie = page.headers["Set-Cookie"].split(";")[0]
    token = cookie.partition("=")[2]
    fields = {"username": "root", "password": PASSWORD, "csrfmiddlewaretoken": token}

    status, _ = ask(
        service, "POST", "/accounts/login/", urlencode(fields).encode(), in_parts_of=3, Cookie=cookie,
        Content_Type="application/x-www-form-urlencoded",
    )  # fmt: skip

    assert status == 302  # signed in, to the home page


def test_a_body_in_chunks_that_is_too_long_is_413_and_a_compressed_one_415(service):
    assert ask(service, "POST", "/api/v1/tasks/", b"x" * 11 * 2**20, in_parts_of=2**20, Content_Type=JSON)[0] == 413
    task = service.api("POST", "tasks/", {"title": "Whole"})["id"]

    body = gzip.compress(json.dumps({"title": "Compressed"}).encode())
    status, problem = ask(service, "PATCH", f"/api/v1/tasks/{task}/", body, Content_Type=JSON, Content_Encoding="gzip")

    assert (status, problem["status"]) == (415, 415)
    assert service.api("GET", f"tasks/{task}/")["title"] == "Whole"
