"""A user who is deleted takes all of theirs along, though the sweep adds something meanwhile."""

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.signals import pre_delete

from reminders.models import Delivery, Reminder
from reminders.planning import hold_planning, plan
from taskapp.models import Task
from tests.at_once import another_connection
from tests.factories import make_delivery, make_reminder, make_task, make_user
from tests.waiting import eventually


@pytest.fixture
def at_the_start_of_a_deletion():
    """Do something when Django has read what it is going to delete, and has deleted nothing yet."""
    receivers = []

    def connect(act) -> None:
        receivers.append(lambda sender, **kwargs: act())
        pre_delete.connect(receivers[-1], sender=User)

    yield connect
    for receiver in receivers:
        pre_delete.disconnect(receiver, sender=User)


def test_a_reminder_that_is_planned_while_its_owner_is_deleted_goes_along(committed_db, at_the_start_of_a_deletion):
    alice = make_user("alice")
    task = make_task(alice)
    at_the_start_of_a_deletion(lambda: make_delivery(task))

    with transaction.atomic():
        alice.delete()

    assert (User.objects.count(), Task.objects.count(), Reminder.objects.count(), Delivery.objects.count()) == (
        0,
        0,
        0,
        0,
    )


def test_planning_and_the_deletion_of_a_user_wait_for_each_other(committed_db, at_the_start_of_a_deletion):
    alice, bob = make_user("alice"), make_user("bob")
    make_task(bob)
    while_deleting = []
    at_the_start_of_a_deletion(lambda: while_deleting.append(in_a_thread(plan)))

    alice.delete()

    assert while_deleting == [{"changes": 0, "planned": 0, "cancelled": 0}]
    assert plan()["planned"] == 1


def in_a_thread(work):
    results = []

    def run() -> None:
        results.append(work())
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


def test_a_deletion_waits_for_the_batch_that_is_being_planned(committed_db):
    alice = make_user("alice")
    make_reminder(make_task(alice))
    planner = another_connection()
    planner.execute("SELECT pg_advisory_xact_lock(%s)", [0x7461736B])

    deletion = threading.Thread(target=lambda: (alice.delete(), connection.close()))
    deletion.start()
    with planner:
        eventually(
            lambda: planner.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone()
        )
        assert User.objects.filter(pk=alice.pk).exists()
    deletion.join()

    assert not User.objects.exists()


def test_holding_planning_ends_with_the_transaction(committed_db):
    make_task(make_user("alice"))
    with transaction.atomic():
        hold_planning()
        held_back = in_a_thread(plan)

    assert held_back["changes"] == 0
    assert plan()["planned"] == 1
