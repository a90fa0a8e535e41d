"""The admin's lists of any size: counted while that is cheap, estimated beyond."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from taskapp.models import Task
from work import paging
from work.paging import UncountedPaginator


@pytest.fixture
def tasks(alice):
    Task.objects.bulk_create(Task(owner=alice, title="x", priority="high" if n < 5 else "low") for n in range(200))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE taskapp_task")
    return Task.objects.order_by("-id").select_related("owner")


@pytest.fixture
def _few_are_counted(monkeypatch):
    monkeypatch.setattr(paging, "EXACT_UP_TO", 20)


def test_a_short_list_is_counted(tasks):
    assert UncountedPaginator(tasks, 50).count == 200
    assert UncountedPaginator(Task.objects.none(), 50).count == 0


@pytest.mark.usefixtures("_few_are_counted")
def test_a_long_list_is_estimated_with_its_filters(tasks):
    assert 150 <= UncountedPaginator(tasks, 50).count <= 250
    assert UncountedPaginator(tasks.filter(priority="high"), 50).count == 5


@pytest.mark.usefixtures("_few_are_counted")
def test_no_more_rows_are_read_than_are_counted(tasks):
    with CaptureQueriesContext(connection) as queries:
        assert UncountedPaginator(tasks, 50).count > 20

    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert len(counts) == 1
    assert "LIMIT 21" in counts[0]


@pytest.mark.usefixtures("_few_are_counted")
def test_an_estimate_below_what_was_counted_is_not_believed(alice):
    Task.objects.bulk_create(Task(owner=alice, title="x") for _ in range(30))

    assert UncountedPaginator(Task.objects.filter(title__startswith="x", priority="medium"), 50).count >= 21


@pytest.mark.usefixtures("_few_are_counted")
@pytest.mark.parametrize("query", ["", "?q=x", "?p=2", "?priority__exact=low", "?q=nothing"])
def test_the_admin_pages_through_a_long_list(admin, tasks, query):
    assert admin.get(f"/admin/taskapp/task/{query}").status_code == 200


@pytest.mark.usefixtures("_few_are_counted")
def test_a_page_that_the_estimate_promises_and_is_not_there_is_empty(tasks):
    assert len(UncountedPaginator(tasks, 50).page(2).object_list) == 50
