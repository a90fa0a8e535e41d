"""The API in a browser: a page for each list and each thing, for whoever is signed in."""

import html
import json

import pytest
from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult

from accounts.services import create_token, update_profile
from tests.factories import make_attachment, make_delivery, make_task

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
        "tasks": task.pk, "attachments": make_attachment(task, name="<b>rent</b>").pk, "tags": task.tags.get().pk,
        "reminders": delivery.reminder_id, "deliveries": delivery.pk,
        "schedules": PeriodicTask.objects.earliest("pk").pk, "jobs": "a1", "tokens": token.pk,
    }  # fmt: skip
    return [
        "",
        "me/",
        f"tasks/{task.pk}/attachments/",
        *(f"{kind}/" for kind in ids),
        *(f"{kind}/{pk}/" for kind, pk in ids.items()),
    ]


def test_every_list_and_every_thing_has_a_page(browser, paths):
    for path in paths:
        response = browser.get(f"/api/v1/{path}", headers=HTML)

        assert response.status_code == 200, path
        assert response["Content-Type"] == "text/html; charset=utf-8"
        assert "<b>rent</b>" not in response.text


def offered(page: str) -> dict:
    """The JSON in the page's form."""
    return json.loads(html.unescape(page.split('name="_content"')[1].split(">", 1)[1].split("</textarea>")[0]))


def test_there_is_a_form_for_json_and_none_for_fields(browser):
    page = browser.get("/api/v1/tasks/", headers=HTML).text

    assert '<option value="application/json" selected>' in page
    assert 'name="title"' not in page


def test_what_the_form_offers_for_a_new_task_can_be_posted_once_it_has_a_title(browser, staff):
    update_profile(staff, timezone="Europe/Berlin")
    page = browser.get("/api/v1/tasks/", headers=HTML).text

    response = browser.post("/api/v1/tasks/", {**offered(page), "title": "x"}, content_type="application/json")

    assert response.status_code == 201
    assert (response.json()["status"], response.json()["timezone"]) == ("todo", "Europe/Berlin")


def test_what_the_form_offers_for_a_known_task_can_be_put_as_it_stands(browser, staff):
    path = f"/api/v1/tasks/{make_task(staff).pk}/"
    before = browser.get(path).json()

    response = browser.put(path, offered(browser.get(path, headers=HTML).text), content_type="application/json")

    kept = {name: value for name, value in response.json().items() if name not in {"version", "updated_at"}}
    assert response.status_code == 200
    assert kept == {name: before[name] for name in kept}


def test_what_the_form_offers_for_a_schedule_can_be_sent(browser):
    schedule = PeriodicTask.objects.get(name="prune-results")
    path = f"/api/v1/schedules/{schedule.pk}/"
    before = browser.get(path).json()

    new = {**offered(browser.get("/api/v1/schedules/", headers=HTML).text), "name": "x", "job": schedule.task}
    assert browser.post("/api/v1/schedules/", new, content_type="application/json").status_code == 201
    same = offered(browser.get(path, headers=HTML).text)
    assert browser.patch(path, same, content_type="application/json").json() == before


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
