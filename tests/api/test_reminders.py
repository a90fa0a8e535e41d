"""`/api/v1/reminders/` and `/api/v1/deliveries/`: what became of each reminder, and the few things one can do."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reminders.delivering import turn
from reminders.last_check import lease
from reminders.models import Delivery, Reminder
from tests.factories import make_delivery, make_reminder, make_task
from tests.reminders.handing import hand_over
from work.claims import Holder, claim


def test_a_reminder_is_shown_with_its_history(alice, api):
    reminder = make_reminder(make_task(alice), history=[{"at": "2026-03-01T09:00:00Z", "step": "planned", "x": 1}])

    shown = api(alice).get(f"/api/v1/reminders/{reminder.pk}/").json()

    assert shown == {
        "id": reminder.pk, "task": reminder.task_id, "rule": reminder.rule_id, "kind": "due_soon",
        "due_at": shown["due_at"], "remind_at": shown["remind_at"], "round": 1, "status": "planned", "reason": "",
        "history": [{"at": "2026-03-01T09:00:00Z", "step": "planned", "x": 1}],
    }  # fmt: skip


def test_a_delivery_is_shown_with_its_recipient_and_history(alice, api):
    delivery = make_delivery(make_task(alice), status="sent", message_id="<a@b>")

    shown = api(alice).get(f"/api/v1/deliveries/{delivery.pk}/").json()

    assert shown == {
        "id": delivery.pk, "reminder": delivery.reminder_id, "attachment": None, "task": delivery.reminder.task_id,
        "recipient": "alice@example.org", "channel": "email", "status": "sent", "reason": "", "attempts": 0,
        "not_before": shown["not_before"], "sent_at": shown["sent_at"], "message_id": "<a@b>",
        "unknown_outcome": False, "history": [],
    }  # fmt: skip
    assert shown["sent_at"] is not None


def test_the_recipient_is_the_address_that_the_last_attempt_went_to(alice, api):
    make_delivery(make_task(alice), status="failed", address="old@example.org")

    assert api(alice).get("/api/v1/deliveries/").json()["results"][0]["recipient"] == "old@example.org"


def test_deleting_a_task_does_not_erase_what_became_of_its_reminders(alice, api):
    task = make_task(alice)
    make_delivery(task, status="sent")

    api(alice).delete(f"/api/v1/tasks/{task.pk}/")

    assert api(alice).get(f"/api/v1/reminders/?task={task.pk}").json()["count"] == 1
    assert api(alice).get(f"/api/v1/deliveries/?task={task.pk}").json()["count"] == 1


def test_lists_are_filtered_by_task_reminder_and_status(alice, api):
    first = make_delivery(make_task(alice), status="sent")
    second = make_delivery(make_task(alice), status="failed")

    def found(query: str) -> list[int]:
        return [each["id"] for each in api(alice).get(f"/api/v1/{query}").json()["results"]]

    assert found(f"reminders/?task={first.reminder.task_id}") == [first.reminder_id]
    assert found("reminders/?status=planned") == []
    assert found(f"deliveries/?task={second.reminder.task_id}") == [second.pk]
    assert found(f"deliveries/?reminder={first.reminder_id}") == [first.pk]
    assert found("deliveries/?status=failed") == [second.pk]
    assert found("deliveries/?status=failed&status=sent&ordering=id") == [first.pk, second.pk]


def test_a_planned_reminder_is_cancelled_and_says_by_whom(alice, api):
    reminder = make_reminder(make_task(alice))

    response = api(alice).post(f"/api/v1/reminders/{reminder.pk}/cancel/")

    assert response.status_code == 200
    assert response.json()["status"] == "cancelled"
    assert "alice" in response.json()["reason"]
    assert response.json()["history"][-1]["step"] == "cancelled"


def test_what_has_not_gone_out_of_a_dispatched_reminder_is_suppressed(alice, api):
    delivery = make_delivery(make_task(alice))

    response = api(alice).post(f"/api/v1/reminders/{delivery.reminder_id}/cancel/")

    delivery.refresh_from_db()
    assert response.status_code == 200
    assert delivery.status == Delivery.Status.SUPPRESSED
    assert "alice" in delivery.reason


@pytest.mark.parametrize("status", ["sent", "failed", "suppressed"])
def test_a_reminder_of_which_nothing_waits_cannot_be_cancelled(alice, api, status):
    delivery = make_delivery(make_task(alice), status=status)

    response = api(alice).post(f"/api/v1/reminders/{delivery.reminder_id}/cancel/")

    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"
    assert Reminder.objects.get().status == "dispatched"


@pytest.mark.parametrize("status", ["failed", "suppressed", "queued"])
def test_a_delivery_that_waits_or_ended_is_queued_again_at_once(alice, api, status):
    later = timezone.now() + timedelta(hours=1)
    delivery = make_delivery(make_task(alice), status=status, attempts=3, not_before=later)

    response = api(alice).post(f"/api/v1/deliveries/{delivery.pk}/retry/")

    shown = response.json()
    assert response.status_code == 200
    assert (shown["status"], shown["reason"], shown["attempts"]) == ("queued", "", 0)
    assert shown["history"][-1]["step"] == "retried"
    delivery.refresh_from_db()
    assert delivery.not_before <= timezone.now()


@pytest.mark.parametrize(
    "state",
    [
        {"status": "sent"},
        {"status": "leased", "lease_token": "7b8a3a8e-1c2d-4e5f-8a9b-0c1d2e3f4a5b", "lease_until": timezone.now()},
    ],
    ids=["sent", "leased"],
)
def test_a_delivery_that_is_sent_or_in_work_is_left_alone(alice, api, state):
    delivery = make_delivery(make_task(alice), **state)

    response = api(alice).post(f"/api/v1/deliveries/{delivery.pk}/retry/")

    assert response.status_code == 409
    assert Delivery.objects.get().status == state["status"]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("kind", ["reminders", "deliveries"])
def test_rows_of_the_machine_are_not_changed(alice, api, kind, method):
    delivery = make_delivery(make_task(alice))
    pk = delivery.pk if kind == "deliveries" else delivery.reminder_id

    assert getattr(api(alice), method)(f"/api/v1/{kind}/{pk}/", {"status": "sent"}).status_code == 405


def test_all_failed_deliveries_are_retried_in_one_request_and_nothing_else(alice, bob, api):
    failed = [make_delivery(make_task(alice), status="failed", attempts=10) for _ in range(2)]
    others = [make_delivery(make_task(alice), status="suppressed"), make_delivery(make_task(bob), status="failed")]

    answer = api(alice).post("/api/v1/deliveries/retry/")

    assert (answer.status_code, answer.json()) == (200, {"retried": 2})
    for delivery in failed:
        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts, delivery.history[-1]["step"]) == ("queued", 0, "retried")
    for delivery, status in zip(others, ["suppressed", "failed"], strict=True):
        delivery.refresh_from_db()
        assert delivery.status == status


def test_a_reminder_whose_message_a_worker_has_in_its_hands_is_cancelled_all_the_same(alice, api, mail_server):
    delivery = make_delivery(make_task(alice))
    holder = Holder()
    claim(Delivery, holder, limit=1, lease=lease(), turn=turn)

    answer = api(alice).post(f"/api/v1/reminders/{delivery.reminder_id}/cancel/")
    hand_over(delivery.pk, holder=holder)

    delivery.refresh_from_db()
    assert answer.status_code == 200
    assert (delivery.status, delivery.reason) == ("suppressed", "cancelled by alice")
    assert mail_server.taken == []
