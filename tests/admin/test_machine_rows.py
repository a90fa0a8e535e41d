"""Rows that the machine owns are read, and moved by actions alone."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from django_celery_results.models import TaskResult

from reminders.models import Delivery, Reminder, ReminderRule
from tests.factories import default_rule, make_delivery, make_reminder, make_task, make_user

REMINDERS, DELIVERIES = "/admin/reminders/reminder/", "/admin/reminders/delivery/"


def act(client, path: str, action: str, *rows):
    return client.post(path, {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True)


@pytest.mark.parametrize("path", [REMINDERS, DELIVERIES])
def test_a_row_of_the_machine_is_neither_made_changed_nor_deleted(admin, alice, path):
    delivery = make_delivery(make_task(alice))
    row = delivery if path == DELIVERIES else delivery.reminder
    before = type(row).objects.values().get()

    assert admin.get(path + "add/").status_code == 403
    assert admin.post(f"{path}{row.pk}/change/", {"status": "sent", "reason": "x"}).status_code == 403
    assert admin.post(f"{path}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    admin.post(path, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})

    assert type(row).objects.values().get() == before
    assert not admin.get(f"{path}{row.pk}/change/").context["adminform"].form.fields


def test_a_row_tells_its_history(admin, alice):
    entry = {"at": "2026-03-01T09:00:00.123456+00:00", "step": "claimed", "worker": "w1"}
    delivery = make_delivery(make_task(alice), history=[entry])

    text = admin.get(f"{DELIVERIES}{delivery.pk}/change/").text

    assert "2026-03-01 09:00:00 <strong>claimed</strong> worker: w1" in text


def test_planned_reminders_are_sent_now(admin, alice):
    planned = make_reminder(make_task(alice), remind_at=timezone.now() + timedelta(hours=9))
    cancelled = make_reminder(make_task(alice), status="cancelled", reason="x")

    response = act(admin, REMINDERS, "send_now", planned, cancelled)

    planned.refresh_from_db()
    assert "1 planned reminder(s) will go out within seconds." in response.text
    assert planned.remind_at <= timezone.now()
    assert planned.history[-1]["by"] == "staff"
    assert Reminder.objects.get(pk=cancelled.pk).status == "cancelled"


def test_what_has_not_gone_out_is_cancelled(admin, alice):
    planned = make_reminder(make_task(alice))
    waiting = make_delivery(make_task(alice))
    sent = make_delivery(make_task(alice), status="sent")

    act(admin, REMINDERS, "cancel", planned, waiting.reminder, sent.reminder)

    for row in (planned, waiting, sent):
        row.refresh_from_db()
    assert (planned.status, waiting.status, sent.status) == ("cancelled", "suppressed", "sent")
    assert "staff" in planned.reason
    assert "staff" in waiting.reason


def test_deliveries_are_retried_also_from_a_search(admin, alice):
    failed = make_delivery(make_task(alice), status="failed", attempts=10)
    sent = make_delivery(make_task(alice), status="sent")

    response = act(admin, DELIVERIES + "?q=rent", "retry", failed, sent)

    failed.refresh_from_db()
    assert "1 queued again" in response.text
    assert (failed.status, failed.attempts) == ("queued", 0)
    assert Delivery.objects.get(pk=sent.pk).status == "sent"


def test_who_may_only_look_has_no_actions(alice, client):
    viewer = make_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)
    failed = make_delivery(make_task(alice), status="failed")

    assert client.get(DELIVERIES).status_code == 200
    assert client.get(f"{DELIVERIES}{failed.pk}/change/").status_code == 200
    act(client, DELIVERIES, "retry", failed)

    assert Delivery.objects.get().status == "failed"


def test_a_message_is_found_by_its_id(admin, alice):
    delivery = make_delivery(make_task(alice), message_id="<abc@example.org>")
    make_delivery(make_task(alice))

    found = admin.get(DELIVERIES, {"q": "<abc@example.org>"}).context["cl"].queryset

    assert list(found) == [delivery]


def test_the_default_rule_is_an_administrators_to_edit(admin):
    rule = default_rule()

    response = admin.post(
        f"/admin/reminders/reminderrule/{rule.pk}/change/", {"kind": "due_soon", "offset": "-02:00:00"}
    )

    rule.refresh_from_db()
    assert response.status_code == 302
    assert (rule.offset, rule.is_enabled) == (timedelta(hours=-2), False)


@pytest.mark.parametrize("offset", ["", "soon", "5000 00:00:00", "-99999999999 00:00:00"])
def test_a_bad_offset_is_shown_in_the_form(admin, offset):
    rule = default_rule()

    response = admin.post(f"/admin/reminders/reminderrule/{rule.pk}/change/", {"kind": "due_soon", "offset": offset})

    assert response.status_code == 200
    assert response.context["adminform"].form.errors
    assert ReminderRule.objects.get().offset == rule.offset


def test_a_result_is_read_only(admin):
    result = TaskResult.objects.create(task_id="a1", task_name="reminders.deliver", result='{"sent": 1}')

    response = admin.get(f"/admin/django_celery_results/taskresult/{result.pk}/change/")

    assert "{&quot;sent&quot;: 1}" in response.text
    assert 'name="result"' not in response.text
