"""The API in a browser: a page for each list and each thing, for whoever is signed in."""

import pytest
from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult

from accounts.services import create_token
from tests.factories import make_delivery, make_task

HTML = {"Accept": "text/html"}


@pytest.fixture
def browser(staff, client):
    client.force_login(staff)
    return client


@pytest.fixture
def paths(staff) -> list[str]:
    task = make_task(staff, title="<b>rent</b>")
    task.tags.create(owner=staff, name="home")
    delivery = make_delivery(task, status="failed")
    TaskResult.objects.create(task_id="a1")
    token, _ = create_token(staff)
    ids = {
        "tasks": task.pk, "tags": task.tags.get().pk, "reminders": delivery.reminder_id, "deliveries": delivery.pk,
        "schedules": PeriodicTask.objects.earliest("pk").pk, "jobs": "a1", "tokens": token.pk,
    }  # fmt: skip
    return ["", "me/", *(f"{kind}/" for kind in ids), *(f"{kind}/{pk}/" for kind, pk in ids.items())]


def test_every_list_and_every_thing_has_a_page(browser, paths):
    for path in paths:
        response = browser.get(f"/api/v1/{path}", headers=HTML)

        assert response.status_code == 200, path
        assert response["Content-Type"] == "text/html; charset=utf-8"
        assert "<b>rent</b>" not in response.text


def test_the_pages_of_actions_render_too(browser, paths):
    for path in paths:
        for action in {"tasks": ["complete", "restore"], "reminders": ["cancel"], "deliveries": ["retry"]}.get(
            path.split("/")[0], []
        ):
            if path.count("/") == 2:
                assert browser.get(f"/api/v1/{path}{action}/", headers=HTML).status_code == 405


def test_there_is_a_form_for_json_and_none_for_fields(browser, paths):
    text = browser.get("/api/v1/tasks/", headers=HTML).text

    assert 'name="_content"' in text
    assert '<option value="application/json">' in text
    assert "&quot;title&quot;: &quot;&quot;" in text
    assert 'name="title"' not in text


def test_the_form_offers_a_task_that_can_be_posted_as_it_stands(browser):
    text = browser.get("/api/v1/tasks/", headers=HTML).text
    offered = text.split('name="_content"')[1]

    assert "&quot;tags&quot;: []" in offered


def test_a_problem_is_a_page_as_well(browser, paths):
    for path, status in [("tasks/999999/", 404), ("tasks/?colour=red", 400), ("tasks/?page=9", 404)]:
        response = browser.get(f"/api/v1/{path}", headers=HTML)

        assert response.status_code == status
        assert response["Content-Type"] == "text/html; charset=utf-8"
        assert "See the errors" in response.text or "No Task" in response.text or "Not Found" in response.text


def test_filters_can_be_chosen_on_the_page(browser, paths):
    text = browser.get("/api/v1/tasks/", headers=HTML).text

    assert 'name="due_before"' in text
    assert 'name="deleted"' in text
