"""What is for staff is for those who may do it in the admin: the same permission of the same model opens both."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult
from rest_framework.permissions import IsAdminUser

from attachments.api import MayChange
from config.urls import api as router
from edges.permissions import AsInTheAdmin
from schedules.models import Policy, ScheduleRun
from tests.factories import make_attachment, make_task, make_user

SCHEDULE, RUN = "django_celery_beat.{}_periodictask", "schedules.{}_schedulerun"
JOB = "django_celery_results.{}_taskresult"
BEAT = "/admin/django_celery_beat/periodictask/"
NEW = {"name": "mine", "job": "reminders.deliver", "crontab": {"minute": "30", "hour": "3"}}

# Method, address, body, the permissions of which any will do, and the same in the admin where it has a page.
STAFF = [
    ("get", "schedules/", None, ["view", "change"], SCHEDULE, ("get", BEAT)),
    ("post", "schedules/", NEW, ["add"], SCHEDULE, ("get", f"{BEAT}add/")),
    ("get", "schedules/{id}/", None, ["view", "change"], SCHEDULE, ("get", BEAT + "{id}/change/")),
    ("patch", "schedules/{id}/", {"enabled": False}, ["change"], SCHEDULE, ("post", BEAT + "{id}/change/")),
    ("delete", "schedules/{id}/", None, ["delete"], SCHEDULE, ("post", BEAT + "{id}/delete/")),
    ("post", "schedules/preview/", NEW, ["add", "change"], SCHEDULE, ("get", f"{BEAT}preview/")),
    ("get", "schedules/{id}/next/", None, ["view", "change"], SCHEDULE, None),
    ("post", "schedules/{id}/run/", {}, ["change"], SCHEDULE, None),
    ("post", "schedules/{id}/pause/", {"until": "2126-12-01T09:00:00Z"}, ["change"], SCHEDULE, None),
    ("post", "schedules/{id}/resume/", {}, ["change"], SCHEDULE, None),
    ("post", "schedules/{id}/skip-next/", {}, ["change"], SCHEDULE, None),
    ("get", "schedules/{id}/runs/", None, ["view", "change"], RUN, None),
    ("get", "jobs/", None, ["view", "change"], JOB, ("get", "/admin/django_celery_results/taskresult/")),
    ("get", "jobs/a1/", None, ["view", "change"], JOB, None),
    ("post", "attachments/{file}/release/", {"reason": "x"}, ["change"], "attachments.{}_attachment", None),
]  # fmt: skip
CASES = [pytest.param(*case, id=f"{case[0]} {case[1]}") for case in STAFF]


WITH_A_PAGE = [case for case in CASES if case.values[5]]


@pytest.fixture
def ids(alice) -> dict[str, int]:
    TaskResult.objects.create(task_id="a1")
    file = make_attachment(make_task(alice), state="infected")
    return {"id": PeriodicTask.objects.get(name="due-soon-reminders").pk, "file": file.pk}


def clerk(name: str, permissions: Any, *, is_staff: bool = True) -> User:
    user = make_user(name, is_staff=is_staff)
    user.user_permissions.set(permissions)
    return User.objects.get(pk=user.pk)


def named(pattern: str, verbs: list[str]) -> Any:
    codenames = [pattern.format(verb).partition(".")[2] for verb in verbs]
    return Permission.objects.filter(codename__in=codenames, content_type__app_label=pattern.partition(".")[0])


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (PeriodicTask, Policy, ScheduleRun)]


@pytest.mark.parametrize(("method", "path", "body", "verbs", "pattern", "page"), CASES)
def test_staff_without_the_permission_change_nothing(api, ids, method, path, body, verbs, pattern, page):
    nothing, others = clerk("nothing", []), clerk("others", Permission.objects.exclude(pk__in=named(pattern, verbs)))
    private = clerk("private", named(pattern, verbs), is_staff=False)
    before = everything()

    for user in (nothing, others, private):
        response = getattr(api(user), method)("/api/v1/" + path.format(**ids), body)

        assert response.status_code == 403, user
        assert response["Content-Type"] == "application/problem+json"
    assert everything() == before


@pytest.mark.parametrize(("method", "path", "body", "verbs", "pattern", "page"), CASES)
def test_each_of_the_permissions_opens_it(api, ids, method, path, body, verbs, pattern, page):
    for verb in verbs:
        user = clerk(verb, named(pattern, [verb]))

        assert getattr(api(user), method)("/api/v1/" + path.format(**ids), body).status_code < 300


@pytest.mark.parametrize(
    ("method", "path", "body", "verbs", "pattern", "page"), [case for case in CASES if case.values[5]]
)
def test_the_admin_asks_for_the_same(ids, method, path, body, verbs, pattern, page):
    for verb in ("view", "add", "change", "delete"):
        browser = Client()
        browser.force_login(clerk(verb, named(pattern, [verb])))

        status = getattr(browser, page[0])(page[1].format(**ids)).status_code

        assert (status != 403) == (verb in verbs), verb


def test_the_answer_names_the_permission(api, ids):
    response = api(clerk("nothing", [])).delete(f"/api/v1/schedules/{ids['id']}/")

    assert response.json()["detail"] == "You need the permission django_celery_beat.delete_periodictask."
    assert PeriodicTask.objects.filter(name="due-soon-reminders").exists()


def test_the_browsable_api_offers_what_one_may_do(ids):
    browser = Client()
    browser.force_login(clerk("reader", named(SCHEDULE, ["view"])))

    page = browser.get("/api/v1/schedules/", headers={"Accept": "text/html"})

    assert page.status_code == 200
    assert 'name="_content"' not in page.text


def test_being_staff_is_enough_for_no_address():
    viewsets = [viewset for _, viewset, _ in router.registry]
    actions = [action.kwargs for viewset in viewsets for action in viewset.get_extra_actions()]
    asked = [viewset.permission_classes for viewset in viewsets] + [
        each.get("permission_classes", []) for each in actions
    ]

    for_staff = [classes for classes in asked if any(issubclass(each, IsAdminUser) for each in classes)]

    assert len(for_staff) >= 4
    assert [classes for classes in for_staff if not {AsInTheAdmin, MayChange} & set(classes)] == []


def test_who_may_change_a_schedule_changes_its_policy_in_the_admin_too(ids):
    browser = Client()
    browser.force_login(clerk("changes", named(SCHEDULE, ["view", "change"])))

    page = browser.get(f"{BEAT}{ids['id']}/change/").text

    assert 'name="policy-0-overlap"' in page
    assert 'id="actual"' not in page  # runs have a permission of their own


def test_who_may_only_look_at_a_schedule_sees_start_and_expiry_in_its_zone(ids):
    browser = Client()
    browser.force_login(clerk("reader", named(SCHEDULE, ["view"])))
    PeriodicTask.objects.filter(pk=ids["id"]).update(expires="2126-12-03T08:00:00Z")

    page = browser.get(f"{BEAT}{ids['id']}/change/").text

    assert "Tue 3 Dec 2126, 08:00 UTC" in page
    assert 'name="policy-0-overlap"' not in page
