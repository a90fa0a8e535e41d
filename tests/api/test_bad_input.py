"""Bad input gets a clear problem that names the field, and never a 500."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.filters import LONGEST_SEARCH
from config.problems import DEEPEST
from taskapp.models import Task
from tests.factories import make_task
from webserver.responses import REFUSED_WITH


def assert_problem(response, status: int, *fields: str) -> dict[str, Any]:
    problem = response.json()
    assert response.status_code == problem["status"] == status, problem
    assert response["Content-Type"] == "application/problem+json"
    assert set(problem) - {"errors"} == {"type", "title", "status", "detail"}
    assert problem["detail"]
    assert {error["field"] for error in problem.get("errors", [])} == set(fields)
    assert all(error["detail"] and error["code"] for error in problem.get("errors", []))
    return problem


def post_raw(
    client, body: str | bytes, content_type: str = "application/json", path: str = "/api/v1/tasks/", **headers: Any
):
    return client.generic("POST", path, body, content_type=content_type, **headers)


BAD_FIELDS = [
    ("title", ""),
    ("title", "   "),
    ("title", None),
    ("title", 5),
    ("title", True),
    ("title", []),
    ("title", {"a": 1}),
    ("title", "x" * 501),
    ("title", "a\0b"),
    ("title", "a\nb"),
    ("title", "a\x1bb"),
    ("title", "a\u2028b"),
    ("description", None),
    ("description", "x" * 50_001),
    ("description", "a\0b"),
    ("description", "a\x07b"),
    ("status", "Done"),
    ("status", ""),
    ("status", None),
    ("status", 1),
    ("status", ["todo"]),
    ("status", "x" * 100_000),
    ("priority", "urgent"),
    ("priority", {}),
    ("due_at", "tomorrow"),
    ("due_at", ""),
    ("due_at", 1_800_000_000),
    ("due_at", 10**400),
    ("due_at", True),
    ("due_at", []),
    ("due_at", "2026-03-01"),  # a day alone is for all-day tasks
    ("due_at", "2026-03-01T09:00:00"),  # no offset
    ("due_at", "2026-02-30T09:00:00Z"),
    ("due_at", "2026-03-01T25:00:00Z"),
    ("due_at", "2026-03-01T09:00:00+25:00"),
    ("due_at", "1899-12-31T23:59:59Z"),
    ("due_at", "9000-01-01T00:00:00Z"),
    ("due_at", "0001-01-01T00:00:00+14:00"),
    ("due_at", "9999-12-31T23:59:59-14:00"),
    ("timezone", "Mars/Phobos"),
    ("timezone", "localtime"),
    ("timezone", "../../etc/passwd"),
    ("timezone", "europe/berlin"),
    ("timezone", ""),
    ("timezone", None),
    ("timezone", 5),
    ("timezone", "a\0b"),
    ("timezone", "x" * 10_000),
    ("all_day", "true"),
    ("all_day", 1),
    ("all_day", None),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS, ids=lambda value: repr(value)[:40])
def test_a_bad_value_names_its_field(alice, api, field, value):
    task = make_task(alice)

    assert_problem(api(alice).post("/api/v1/tasks/", {"title": "x", field: value}), 400, field)
    problem = assert_problem(api(alice).patch(f"/api/v1/tasks/{task.pk}/", {field: value}), 400, field)

    assert len(problem["errors"]) == 1
    assert len(problem["errors"][0]["detail"]) <= 500
    assert Task.objects.get().version == 1


def test_several_bad_values_are_told_at_once(alice, api):
    body = {"title": "", "status": "x", "due_at": "x", "timezone": "x", "tags": [5]}

    assert_problem(api(alice).post("/api/v1/tasks/", body), 400, "title", "status", "due_at", "timezone", "tags.0")


def test_the_longest_title_is_taken(alice, api):
    assert api(alice).post("/api/v1/tasks/", {"title": "ä" * 500}).status_code == 201


def test_a_description_may_have_lines_and_tabs(alice, api):
    made = api(alice).post("/api/v1/tasks/", {"title": "x", "description": "a\n\tb\r\nc"}).json()

    assert made["description"] == "a\n\tb\r\nc"


@pytest.mark.parametrize("body", ["[]", '"x"', "5", "true", "null", "[{}]"])
def test_a_body_that_is_no_object_is_400(alice, api, body):
    assert_problem(post_raw(api(alice), body), 400)


def test_no_body_is_a_missing_title(alice, api):
    assert_problem(post_raw(api(alice), ""), 400, "title")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"title": "x",}',
        b"{'title': 'x'}",
        b'{"title": NaN}',
        b'{"title": Infinity}',
        b'{"title": -Infinity}',
        b'{"title": "\xff"}',
        b'{"title": "a\x00b"}',
        '{"title": "ä"}'.encode("latin-1"),
        b'{"title": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"title": "x", "unknown": ' + b"[" * DEEPEST + b"]" * DEEPEST + b"}",
        rb'{"title": "\ud800"}',
        rb'{"title": "\udc00\ud800"}',
        rb'{"title": "x", "status": "\ud800"}',
        rb'{"title": "x", "tags": ["\ud800"]}',
        rb'{"title": "x", "\ud800": 1}',
        rb'{"title": "x", "unknown": {"a": ["\ud800"]}}',
    ],
    ids=lambda body: repr(body)[:40],
)
def test_what_is_not_json_is_400(alice, api, body):
    problem = assert_problem(post_raw(api(alice), body), 400)

    assert problem["detail"] != "See the errors of each field."
    assert not Task.objects.exists()


def test_a_whole_surrogate_pair_is_text(alice, api):
    assert post_raw(api(alice), rb'{"title": "\ud83c\udf89"}').json()["title"] == "🎉"


def test_json_is_read_as_utf8_whatever_the_header_says(alice, api):
    response = post_raw(api(alice), '{"title": "ä"}'.encode(), "application/json; charset=latin-1")

    assert response.json()["title"] == "ä"


@pytest.mark.parametrize("charset", ["utf-16", "zlib", "rot13", "none-such"])
def test_an_odd_charset_is_no_defect(alice, api, charset):
    client = api(alice)

    assert post_raw(client, b'{"title": "x"}', f"application/json; charset={charset}").status_code in {201, 400}
    assert client.get("/api/v1/tasks/?search=%C3%A4", CONTENT_TYPE=f"a/b; charset={charset}").status_code in {200, 400}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
)
def test_a_body_of_another_type_is_415(alice, api, content_type):
    assert_problem(post_raw(api(alice), b'{"title": "x"}', content_type), 415)


def test_an_answer_of_another_type_is_406(alice, api):
    assert_problem(api(alice).get("/api/v1/tasks/", headers={"Accept": "application/xml"}), 406)


@pytest.mark.parametrize("path", ["/api/v1/tasks/", "/api/v1/tokens/", "/api/v1/none/such/"])
def test_a_body_over_1_mb_is_413(alice, api, path):
    body = json.dumps({"title": "x", "description": "x" * (2**20 + 1)})

    assert_problem(api(alice).generic("POST", path, body, content_type="application/json"), 413)


def test_a_body_of_1_mb_is_read(alice, api):
    body = json.dumps({"title": "x"}).ljust(2**20)

    assert api(alice).generic("POST", "/api/v1/tasks/", body, content_type="application/json").status_code == 201


def test_a_length_beyond_any_number_is_413(alice, api):
    assert_problem(post_raw(api(alice), "{}", CONTENT_LENGTH="9" * 5000), 413)


def test_a_long_body_for_a_page_is_413_too(client):
    assert client.generic("POST", "/accounts/login/", "x" * (2**20 + 1)).status_code == 413


@pytest.mark.parametrize("path", ["/api/v1/tasks/", "/api/v1/tokens/", "/api/v1/none/such/", "/accounts/login/"])
def test_a_body_whose_length_the_server_does_not_tell_is_411_and_not_taken_for_empty(alice, api, path):
    """Django would read nothing of it. Our own web server tells the length, whatever the client has sent."""
    response = post_raw(api(alice), b'{"title": "x"}', CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked", path=path)

    assert response.status_code == 411


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, identity", "x"])
def test_a_body_that_is_encoded_is_415(alice, api, coding):
    response = post_raw(api(alice), b'{"title": "x"}', HTTP_CONTENT_ENCODING=coding)

    assert_problem(response, 415)
    assert response["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_a_body_that_says_that_it_is_not_encoded_is_taken(alice, api, coding):
    assert post_raw(api(alice), b'{"title": "x"}', HTTP_CONTENT_ENCODING=coding).status_code == 201


@pytest.mark.parametrize(("status", "words"), [(413, "larger than 1 MB"), (503, "no room")])
def test_a_body_that_the_web_server_has_not_read_to_its_end_is_refused(alice, api, status, words):
    response = post_raw(api(alice), b"", **{REFUSED_WITH: status})

    assert_problem(response, status)
    assert words in response.json()["detail"]
    assert ("Retry-After" in response) == (status == 503)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("Status=done", "Status"),
        ("page=1&statsu=done", "statsu"),
        ("a%00b=1", "ab"),
        ("search=%00", "search"),
        ("search=" + "x" * (LONGEST_SEARCH + 1), "search"),
        ("ordering=colour", "ordering"),
        ("ordering=owner", "ordering"),
        ("ordering=owner__password", "ordering"),
        ("ordering=id,--id", "ordering"),
        ("ordering=%3F", "ordering"),
        ("ordering=%00", "ordering"),
        ("status=Done", "status"),
        ("status=done&status=x", "status"),
        ("priority=%00", "priority"),
        ("tag=%00", "tag"),
        ("tag=" + "x" * 51, "tag"),
        ("deleted=maybe", "deleted"),
        ("due_before=tomorrow", "due_before"),
        ("due_before=2026-03-01T09:00:00", "due_before"),
        ("due_before=2026-03-01T09:00:00+01:00", "due_before"),  # the plus is a space
        ("due_after=2026-03-01", "due_after"),
        ("due_after=0001-01-01T00:00:00%2B14:00", "due_after"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=1.5", "page"),
        ("page=x", "page"),
        ("page=%C2%B2", "page"),
        ("page=", "page"),
        ("page=" + "9" * 5000, "page"),
        ("page_size=0", "page_size"),
        ("page_size=x", "page_size"),
        ("page_size=201", "page_size"),
    ],
    ids=lambda value: value[:40],
)
def test_a_bad_parameter_is_400_and_named(alice, api, query, field):
    assert_problem(api(alice).get(f"/api/v1/tasks/?{query}"), 400, field)


def test_a_page_behind_the_last_is_404_and_named(alice, api):
    problem = assert_problem(api(alice).get("/api/v1/tasks/?page=2"), 404, "page")

    assert problem["errors"][0]["detail"] == "There is no page 2."


@pytest.mark.parametrize("kind", ["tags", "reminders", "deliveries", "tokens", "attachments"])
def test_every_list_refuses_what_it_does_not_know(alice, api, kind):
    assert_problem(api(alice).get(f"/api/v1/{kind}/?colour=red"), 400, "colour")
    assert_problem(api(alice).get(f"/api/v1/{kind}/?ordering=colour"), 400, "ordering")
    assert_problem(api(alice).get(f"/api/v1/{kind}/?page=2"), 404, "page")


@pytest.mark.parametrize("kind", ["reminders", "deliveries", "tokens", "jobs", "attachments"])
def test_a_list_without_a_search_says_so(staff, api, kind):
    assert_problem(api(staff).get(f"/api/v1/{kind}/?search=x"), 400, "search")


@pytest.mark.parametrize("value", ["1.5", "NaN", "1e3", "-1", "0", "x", str(2**63), "9" * 5000, "%00"])
def test_an_id_to_filter_by_must_be_one(alice, api, value):
    assert_problem(api(alice).get(f"/api/v1/reminders/?task={value}"), 400, "task")
    assert_problem(api(alice).get(f"/api/v1/deliveries/?reminder={value}"), 400, "reminder")
    assert_problem(api(alice).get(f"/api/v1/attachments/?task={value}"), 400, "task")


@pytest.mark.parametrize(
    "kind", ["tasks", "tags", "reminders", "deliveries", "tokens", "schedules", "jobs", "attachments"]
)
@pytest.mark.parametrize(
    "pk", ["0", str(2**31), str(2**63), "9" * 400, "-1", "1.5", "x", "%00", "%C2%B2", "%FF", "a%0Ab"]
)
def test_an_id_that_none_has_is_404(staff, api, kind, pk):
    assert_problem(api(staff).get(f"/api/v1/{kind}/{pk}/"), 404)


@pytest.mark.parametrize("path", ["/api/v1/none/such/", "/api/", "/api/v2/tasks/", "/api/v1/tasks/1/explode/"])
def test_an_unknown_address_is_404(alice, api, path):
    assert_problem(api(alice).get(path), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("delete", "tasks/"),
        ("put", "tasks/"),
        ("post", "reminders/"),
        ("delete", "me/"),
        ("trace", "tasks/"),
        ("post", "attachments/"),
        ("put", "attachments/1/"),
        ("patch", "attachments/1/"),
        ("post", "attachments/1/content/"),
        ("delete", "attachments/1/thumbnail/"),
        ("get", "attachments/1/rescan/"),
    ],
)
def test_a_method_that_is_not_for_the_address_is_refused(alice, api, method, path):
    response = api(alice).generic(method.upper(), f"/api/v1/{path}", "{}", content_type="application/json")

    assert_problem(response, 405)


def test_an_unknown_format_is_404(alice, api):
    assert_problem(api(alice).get("/api/v1/tasks/?format=xml"), 404)


@pytest.mark.django_db
def test_nul_in_a_cookie_is_400(client):
    client.cookies["sessionid"] = "aaaaaaaa\0"  # written as an octal escape, which Django reads back

    assert_problem(client.get("/api/v1/tasks/"), 400, "sessionid")


def test_a_session_without_its_csrf_token_is_403(alice):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(alice)

    assert_problem(client.post("/api/v1/tasks/", {"title": "x"}), 403)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("deliveries/?reminder=1&reminder=2", "reminder"),
        ("deliveries/?reminder=x&reminder=", "reminder"),
        ("tasks/?due_before=2026-12-01T09:00:00Z&due_before=", "due_before"),
        ("tasks/?search=rent&search=", "search"),
        ("tasks/?page=1&page=2", "page"),
    ],
)
def test_a_filter_that_is_given_twice_is_refused_where_one_value_counts(alice, api, path, name):
    response = api(alice).get(f"/api/v1/{path}")

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [name]


def test_one_that_takes_several_values_takes_them(alice, api):
    assert api(alice).get("/api/v1/tasks/?status=todo&status=done").status_code == 200
