"""Sweep 2: what is due becomes a delivery."""

import pytest
from django.db import IntegrityError, connection, transaction

from reminders.dispatching import dispatch
from reminders.models import Delivery, Reminder
from tests.factories import in_hours, make_delivery, make_reminder, make_task

pytestmark = pytest.mark.django_db


def test_a_due_reminder_becomes_one_queued_delivery_to_the_owner(alice):
    reminder = make_reminder(make_task(alice))

    count = dispatch()["dispatched"]

    delivery = Delivery.objects.get()
    reminder.refresh_from_db()
    assert count == 1
    assert reminder.status == "dispatched"
    assert (delivery.reminder, delivery.recipient, delivery.channel) == (reminder, alice, "email")
    assert delivery.status == "queued"


def test_a_reminder_that_is_not_due_yet_waits(alice):
    make_reminder(make_task(alice, due_in_hours=48))

    count = dispatch()["dispatched"]

    assert count == 0
    assert Reminder.objects.get().status == "planned"


def test_a_reminder_that_is_found_late_is_dispatched_all_the_same(alice):
    make_reminder(make_task(alice, due_in_hours=-500))

    count = dispatch()["dispatched"]

    assert count == 1


def test_a_cancelled_reminder_is_not_dispatched(alice):
    make_reminder(make_task(alice), status="cancelled", reason="the task was done")

    count = dispatch()["dispatched"]

    assert count == 0


def test_the_longest_due_go_first(alice):
    late = make_reminder(make_task(alice, due_in_hours=1))
    make_reminder(make_task(alice, due_in_hours=2))

    dispatch(limit=1)

    assert Delivery.objects.get().reminder == late


def test_one_statement_serves_any_number(alice, django_assert_num_queries):
    for _ in range(20):
        make_reminder(make_task(alice))

    with django_assert_num_queries(1):
        count = dispatch()["dispatched"]

    assert count == 20


def test_the_database_refuses_a_second_delivery_of_a_reminder_to_a_person_over_a_channel(alice):
    delivery = make_delivery(make_task(alice))

    with pytest.raises(IntegrityError, match="delivery_unique"), transaction.atomic():
        Delivery.objects.create(reminder=delivery.reminder, recipient=alice)


def test_the_database_refuses_a_second_reminder_of_a_round(alice):
    reminder = make_reminder(make_task(alice))

    with pytest.raises(IntegrityError, match="reminder_unique"), transaction.atomic():
        make_reminder(reminder.task)


@pytest.mark.parametrize(
    "impossible",
    [
        "status = 'sent'",  # without sent_at
        "status = 'leased'",  # without a token
        "lease_token = gen_random_uuid()",  # queued, with a token
        "status = 'failed'",  # without a reason
        "status = 'unheard of'",
    ],
)
def test_the_database_refuses_impossible_deliveries(alice, impossible):
    make_delivery(make_task(alice))

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE reminders_delivery SET {impossible}")


def test_a_task_due_tomorrow_is_not_sent_before_its_moment(alice):
    make_reminder(make_task(alice), remind_at=in_hours(0.01))

    assert dispatch() == {"dispatched": 0}
