"""Every page of the admin opens, at the same cost for few rows and for many, whatever stands in the address."""

from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from django.contrib import admin as django_admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask
from django_celery_results.models import GroupResult, TaskResult

from accounts.models import Preference
from accounts.services import create_token
from attachments.models import Thumbnailing
from reminders.models import ReminderRule
from schedules.models import ScheduleRun
from taskapp.models import Tag
from tests.factories import make_attachment, make_delivery, make_task, make_user

MODELS = sorted((model for model in django_admin.site._registry), key=lambda model: model._meta.label_lower)
LABELS = [model._meta.label_lower for model in MODELS]
STEP = {"at": "2026-03-01T09:00:00.123456+00:00", "step": "<b>planned</b>", "reason": "<i>why</i>"}


def changelist(model) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def add_rows(number: int, start: int = 0) -> None:
    """So many more rows of everything that the admin shows, each with owners and tasks of its own."""
    for index in range(start, start + number):
        user = make_user(f"user {index}")
        Preference.objects.create(user=user)
        task = make_task(user, title=f"<script>{index}</script> " + "long " * 90)
        task.tags.add(Tag.objects.create(owner=user, name=f"tag {index}"))
        delivery = make_delivery(task, status="failed", history=[STEP])
        name = f"<script>{index}.exe"
        attachment = make_attachment(task, name=name, state="infected", history=[STEP], reason="<i>why</i>")
        Thumbnailing.objects.create(attachment=attachment, owner_id=user.pk, history=[STEP])
        type(delivery.reminder).objects.update(history=[STEP], reason="<i>why</i>")
        ReminderRule.objects.create(owner=user, task=task, offset=timedelta(hours=-index))
        create_token(user)
        interval = IntervalSchedule.objects.create(every=1000 + index, period="minutes")
        crontab = CrontabSchedule.objects.create(minute=str(index % 60), hour=str(index // 60), timezone="UTC")
        clocked = ClockedSchedule.objects.create(clocked_time=timezone.now() + timedelta(days=1 + index))
        PeriodicTask.objects.create(name=f"interval {index}", task="reminders.deliver", interval=interval)
        once = PeriodicTask.objects.create(name=f"<script>{index}", task="gone", interval=interval)
        run = ScheduleRun.objects.create(
            schedule=once, scheduled_for=timezone.now(), status="missed", reason="<script>", requested_by=user
        )
        TaskResult.objects.create(task_id=str(run.job_id))
        PeriodicTask.objects.create(name=f"crontab {index}", task="reminders.deliver", crontab=crontab)
        PeriodicTask.objects.create(name=f"clocked {index}", task="reminders.deliver", clocked=clocked, one_off=True)
        TaskResult.objects.create(task_id=f"job {index}", task_name="reminders.deliver", status="SUCCESS", result="{}")
        GroupResult.objects.create(group_id=f"group {index}")
        Group.objects.create(name=f"group {index}")


def statements(client, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    assert response.status_code == 200
    return len(queries)


def costs(client) -> dict[str, int]:
    return {model._meta.label_lower: statements(client, changelist(model)) for model in MODELS}


def test_every_list_opens_and_costs_the_same_for_5_rows_and_for_50(admin):
    add_rows(5)
    costs(admin)  # what is looked up once, such as content types
    few = costs(admin)

    add_rows(45, start=5)

    assert costs(admin) == few
    for model in MODELS:
        assert "<script>" not in admin.get(changelist(model)).text.split('id="content"')[1].split("</main>")[0]


@pytest.mark.parametrize("model", MODELS, ids=LABELS)
def test_each_row_opens_and_so_does_the_form_for_a_new_one(admin, model):
    add_rows(1)
    may_add = admin.get(changelist(model)).context["has_add_permission"]

    for row in model._default_manager.all():
        response = admin.get(f"{changelist(model)}{row.pk}/change/")
        assert response.status_code == 200
        assert "<script>0" not in response.text
        assert "<b>planned</b>" not in response.text
        assert admin.get(f"{changelist(model)}{row.pk}/history/").status_code == 200
    assert admin.get(f"{changelist(model)}add/").status_code == (200 if may_add else 403)


class Links(HTMLParser):
    """The targets of a page's links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


@pytest.mark.parametrize("model", MODELS, ids=LABELS)
def test_every_filter_search_and_order_that_a_list_offers_works(admin, model):
    add_rows(2)
    path = changelist(model)
    offered = {link for link in Links(admin.get(path).text).found if link.startswith("?")}

    for query in [*offered, "?q=user+1", "?q=%22", "?q=a+b+c+d", "?q=" + "x" * 2000, "?all=", "?p=99", "?o=99.-x"]:
        response = admin.get(urljoin(path, query), follow=True)
        assert response.status_code == 200, query


ODD = [
    "q=%00", "status__exact=%00", "status=%00", "deleted=%00", "deleted=x", "colour=red",
    "id=x", "id=9999999999999999999", "p=x", "o=%00", "e=1", "_popup=1",
    "owner__password__startswith=x", "due_at__isempty=7", "date_done__year=99999",
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=LABELS)
def test_an_odd_address_is_no_defect(admin, model):
    for query in ODD:
        assert admin.get(f"{changelist(model)}?{query}", follow=True).status_code in {200, 400}, query
    for pk in ["x", "0", "9" * 30, "_00", "a_2Fb"]:
        assert admin.get(f"{changelist(model)}{pk}/change/", follow=True).status_code == 200, pk


def test_choices_are_completed_by_name(admin, alice):
    query = "app_label=taskapp&model_name=task&field_name=owner&term="

    assert [each["text"] for each in admin.get(f"/admin/autocomplete/?{query}ali").json()["results"]] == ["alice"]
    assert admin.get(f"/admin/autocomplete/?{query}%00").status_code == 400


def test_the_front_page_and_its_log_open(admin, staff):
    task = make_task(staff)
    admin.post(f"/admin/taskapp/task/{task.pk}/delete/", {"post": "yes"})

    assert LogEntry.objects.count() == 1
    assert "Pay the rent" in admin.get("/admin/").text


@pytest.mark.parametrize("model", MODELS, ids=LABELS)
def test_the_admin_is_for_staff(alice, client, model):
    client.force_login(alice)

    assert client.get(changelist(model)).status_code == 302
