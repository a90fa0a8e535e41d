"""An administrator edits schedules while everything runs."""

import http.cookiejar
import re
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from tests.e2e.service import PASSWORD
from tests.waiting import eventually


@pytest.fixture
def browser(service):
    """A signed-in session in the admin: browser(path) opens a page, browser(path, {field: value}) sends its form."""
    opener = build_opener(HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def open_page(path: str, changes: dict[str, str] | None = None) -> str:
        page = opener.open(service.url + path, timeout=30).read().decode()
        if changes is None:
            return page
        form = fields_of(page) | changes
        form = {name: value for name, value in form.items() if value is not None}
        answer = opener.open(service.url + path, data=urlencode(form).encode(), timeout=30).read().decode()
        assert 'class="errorlist' not in answer, re.findall(r'<ul class="errorlist.*?</ul>', answer, re.DOTALL)
        return answer

    open_page("/admin/login/?next=/admin/", {"username": "root", "password": PASSWORD})
    return open_page


def fields_of(page: str) -> dict[str, str]:
    """What a browser would send of the page's form."""
    fields = {}
    for tag in re.findall(r"<input [^>]*>", page):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") in {"checkbox", "radio"} and " checked" not in tag:
            continue
        if attributes.get("type") != "submit" and "name" in attributes:
            fields[attributes["name"]] = attributes.get("value", "on" if attributes.get("type") == "checkbox" else "")
    for name, body in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', body)
        fields[name] = chosen[1] if chosen else ""
    for name, body in re.findall(r'<textarea name="([^"]+)"[^>]*>(.*?)</textarea>', page, re.DOTALL):
        fields[name] = body.strip().replace("&quot;", '"')
    return fields


def schedule(service, name: str = "due-soon-reminders") -> dict:
    found = service.api("GET", f"schedules/?search={name}")["results"]
    return next(one for one in found if one["name"] == name)


def test_an_interval_edited_in_the_admin_takes_effect_without_a_restart(service, browser):
    number = schedule(service)["id"]
    page = browser("/admin/django_celery_beat/intervalschedule/add/", {"every": "1", "period": "seconds"})
    assert "was added successfully" in page
    intervals = browser("/admin/django_celery_beat/intervalschedule/")
    every_second = max(map(int, re.findall(r"/intervalschedule/(\d+)/change/", intervals)))
    runs = schedule(service)["total_run_count"]

    browser(f"/admin/django_celery_beat/periodictask/{number}/change/", {"interval": str(every_second)})

    eventually(lambda: schedule(service)["total_run_count"] >= runs + 2, within=10)


def test_ticks_that_found_nothing_to_do_leave_no_result(service):
    runs = schedule(service)["total_run_count"]
    eventually(lambda: schedule(service)["total_run_count"] >= runs + 2, within=10)  # every second by now

    service.api("POST", f"schedules/{schedule(service, 'prune-results')['id']}/run/")
    eventually(lambda: service.api("GET", "jobs/?job=schedules.prune_results")["results"])

    ticks = service.api("GET", "jobs/?job=reminders.send_due_soon")["results"]
    assert [tick for tick in ticks if not any(tick["result"].values())] == []


def test_a_job_can_be_run_now(service):
    number = schedule(service, "prune-results")["id"]

    service.api("POST", f"schedules/{number}/run/")

    (job,) = eventually(lambda: service.api("GET", "jobs/?job=schedules.prune_results")["results"])
    assert job["status"] == "SUCCESS"


def test_an_edit_survives_a_restart_and_an_upgrade(service, browser):
    number = schedule(service, "prune-reminders")["id"]
    browser(f"/admin/django_celery_beat/periodictask/{number}/change/", {"enabled": None, "description": "Ours"})

    service.manage("prepare")
    service.stop("celery-beat")
    service.start("celery-beat")
    pulses = service.log("celery-beat").count("Starting...")

    eventually(lambda: service.log("celery-beat").count("Starting...") >= pulses)
    assert schedule(service, "prune-reminders")["enabled"] is False
