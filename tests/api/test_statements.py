"""How many statements a request costs, with all that belongs to it: its token, its transaction, its answer."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.services import create_token
from taskapp.services import create_task

TASK = {"title": "x", "timezone": "Europe/Berlin", "due_at": "2030-05-01T08:00:00Z"}


@pytest.fixture
def client(alice) -> APIClient:
    """With a token, whose use in this minute has been noted."""
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {create_token(alice)[1]}")
    client.get("/api/v1/me/")
    return client


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("get", "", None, 3),  # whose token it is, how many tasks there are, and a page of them
        ("get", "?status=todo&tag=home", None, 3),
        ("get", "{}/", None, 2),
        ("post", "", TASK, 4),  # the token, BEGIN, the task, COMMIT
        ("post", "", TASK | {"tags": ["home", "new"]}, 6),
        ("post", "", {"title": "x"}, 5),  # and what one's own time zone is
        ("post", "{}/complete/", {}, 7),
        ("patch", "{}/", {"title": "y", "tags": ["a", "b"]}, 10),
        ("delete", "{}/", None, 6),
    ],
)
def test_a_request_costs_so_many_statements(client, alice, method, path, body, expected):
    for _ in range(3):
        task = create_task(alice, title="x", tags=["home", "garden"])

    with CaptureQueriesContext(connection) as queries:
        response = getattr(client, method)(f"/api/v1/tasks/{path.format(task.pk)}", body)

    assert response.status_code < 300
    assert len(queries) == expected, [query["sql"] for query in queries]


def test_the_use_of_a_token_costs_a_statement_once(alice):
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {create_token(alice)[1]}")
    counts = []

    for _ in range(3):
        with CaptureQueriesContext(connection) as queries:
            client.get("/api/v1/me/")
        counts.append(len(queries))

    assert counts == [3, 2, 2]
