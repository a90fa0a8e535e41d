"""The admin's lists of tables that have grown large: nothing that is offered reads all of one."""

import pytest

from taskapp.models import Task
from tests.factories import make_delivery, make_task
from work import large_tables

TASKS, REMINDERS, DELIVERIES = "/admin/taskapp/task/", "/admin/reminders/reminder/", "/admin/reminders/delivery/"


def found(client, path: str, query: str) -> int:
    return client.get(path, {"q": query}).context["cl"].queryset.count()


@pytest.fixture
def delivery(alice, bob):
    """alice's, for the rent; bob has one for the tax that is younger."""
    older = make_delivery(make_task(alice, title="Pay the rent"))
    make_delivery(make_task(bob, title="Pay the tax"))
    return older


@pytest.mark.parametrize("path", [TASKS, REMINDERS, DELIVERIES])
@pytest.mark.parametrize(
    ("query", "count"), [("alice", 1), ("ali", 1), ("rent", 1), ("PAY", 2), ("alice rent", 1), ("bob rent", 0)]
)
@pytest.mark.usefixtures("delivery")
def test_each_word_is_looked_for_in_titles_and_names(admin, path, query, count):
    assert found(admin, path, query) == count


@pytest.mark.parametrize("path", [TASKS, REMINDERS, DELIVERIES])
@pytest.mark.usefixtures("delivery")
def test_titles_are_looked_for_among_the_latest_tasks(admin, path, monkeypatch):
    monkeypatch.setattr(large_tables, "LATEST", 1)

    assert [found(admin, path, query) for query in ("tax", "rent", "alice")] == [1, 0, 1]


def test_a_name_is_that_user_and_not_those_whose_names_contain_it(admin, alice, bob):
    bob.username = "alice2"
    bob.save()
    for owner in (alice, bob):
        make_task(owner)

    assert found(admin, TASKS, "alice") == 1


@pytest.mark.usefixtures("delivery")
def test_a_large_list_is_in_the_order_of_its_numbers_whatever_the_address_says(admin, monkeypatch):
    by_title = admin.get(TASKS, {"o": "1"})
    monkeypatch.setattr(large_tables, "SORTED_UP_TO", -2)  # PostgreSQL says -1 of a table that it has not looked at
    by_number = admin.get(TASKS, {"o": "-1"})

    assert list(by_title.context["cl"].result_list) == list(Task.objects.order_by("title"))
    assert list(by_number.context["cl"].result_list) == list(Task.objects.order_by("-pk"))
    assert 'class="sortable' in by_title.text
    assert 'class="sortable' not in by_number.text
