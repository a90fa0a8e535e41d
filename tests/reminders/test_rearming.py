"""The re-arming table of docs/lifecycle.md, row by row: what a changed task tells again, and what it does not."""

from datetime import datetime, timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from reminders.delivering import deliver_batch, turn
from reminders.dispatching import dispatch
from reminders.last_check import lease, renew
from reminders.models import Delivery, Reminder
from reminders.outcomes import settle
from reminders.planning import plan
from reminders.services import cancel_reminders
from taskapp import services
from taskapp.models import Task
from tests.factories import default_rule, in_hours, make_task
from work.claims import Holder, claim

pytestmark = pytest.mark.django_db


@pytest.fixture
def task(alice) -> Task:
    """Due in three hours, so it is to be told at once."""
    return make_task(alice)


def sweep() -> None:
    plan()
    dispatch()


def tell() -> None:
    """Everything that is due is planned, dispatched and sent; a minute passes."""
    sweep()
    deliver_batch()
    minute = timedelta(minutes=1)
    Delivery.objects.update(handed_over_at=F("handed_over_at") - minute)


def move(task: Task, due_at: datetime) -> None:
    services.update_task(task, due_at=due_at)


def told(task: Task) -> list[tuple[datetime, int]]:
    """Due date and round of every message about the task, in the order of their sending."""
    sent = Delivery.objects.filter(reminder__task=task, status="sent").order_by("sent_at")
    return list(sent.values_list("reminder__due_at", "reminder__round"))


def test_a_due_date_moved_on_is_told_once_more(task):
    first, second = task.due_at, in_hours(5)
    tell()

    move(task, second)
    tell()

    assert told(task) == [(first, 1), (second, 1)]


def test_a_due_date_moved_back_after_the_other_was_told_is_told_in_a_new_round(task):
    first, second = task.due_at, in_hours(5)
    tell()
    move(task, second)
    tell()

    move(task, first)
    tell()

    assert told(task) == [(first, 1), (second, 1), (first, 2)]


def test_a_move_undone_before_the_other_date_was_told_says_nothing(task):
    first = task.due_at
    tell()
    move(task, in_hours(5))
    plan()

    move(task, first)
    tell()

    assert told(task) == [(first, 1)]
    assert Reminder.objects.get(task=task, due_at__gt=first).reason == "the due date was moved"
    assert not Reminder.objects.filter(round=2).exists()


def test_to_and_fro_is_told_each_time_that_the_owner_was_told_otherwise(task):
    first, second = task.due_at, in_hours(5)
    for due_at in (first, second, first, second):
        move(task, due_at)
        tell()

    assert told(task) == [(first, 1), (second, 1), (first, 2), (second, 2)]


@pytest.mark.parametrize(
    ("away", "back"),
    [
        (services.complete_task, lambda task: services.update_task(task, status="todo")),
        (services.delete_task, services.restore_task),
    ],
)
def test_a_told_task_that_goes_and_comes_back_is_not_told_again(task, away, back):
    tell()
    away(task)
    tell()

    back(task)
    tell()

    assert told(task) == [(task.due_at, 1)]


@pytest.mark.parametrize(
    ("away", "back"),
    [
        (services.complete_task, lambda task: services.update_task(task, status="todo")),
        (services.delete_task, services.restore_task),
    ],
)
def test_a_task_that_was_suppressed_and_comes_back_is_told(task, away, back):
    sweep()
    away(task)
    deliver_batch()
    assert Delivery.objects.get().status == "suppressed"

    back(task)
    tell()

    assert told(task) == [(task.due_at, 1)]


def test_a_date_that_was_suppressed_because_it_moved_is_told_when_it_comes_back(task):
    first, second = task.due_at, in_hours(5)
    sweep()
    move(task, second)
    tell()
    assert told(task) == [(second, 1)]

    move(task, first)
    tell()

    assert told(task) == [(second, 1), (first, 1)]


def test_a_reminder_that_a_person_cancelled_stays_silent_when_its_date_comes_back(task, alice):
    first, second = task.due_at, in_hours(5)
    sweep()
    cancel_reminders(Reminder.objects.filter(task=task), by=alice)
    move(task, second)
    tell()

    move(task, first)
    tell()

    assert told(task) == [(second, 1)]


def test_a_failed_delivery_is_left_to_a_person_while_nothing_else_was_told(task):
    sweep()
    Delivery.objects.update(status="failed", reason="550 no such user")
    services.complete_task(task)
    plan()

    services.update_task(task, status="todo")
    tell()

    assert told(task) == []
    assert Delivery.objects.get().status == "failed"


def test_an_unknown_outcome_that_was_suppressed_is_repeated_under_its_message_id(task):
    sweep()
    Delivery.objects.update(
        status="suppressed", reason="the task was done", unknown_outcome=True, message_id="<one@example.org>",
        handed_over_at=timezone.now(), content={"title": "As it was"}, address="alice@example.org",
    )  # fmt: skip
    services.complete_task(task)
    plan()

    services.update_task(task, status="todo")
    sweep()

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.message_id, delivery.unknown_outcome) == ("queued", "<one@example.org>", True)


def test_an_unknown_outcome_after_which_another_date_was_told_gets_a_new_round(task):
    first, second = task.due_at, in_hours(5)
    sweep()
    Delivery.objects.update(
        status="suppressed", reason="the due date was moved", unknown_outcome=True,
        handed_over_at=timezone.now() - timedelta(minutes=5),
    )  # fmt: skip
    move(task, second)
    tell()

    move(task, first)
    tell()

    assert told(task) == [(second, 1), (first, 2)]


def test_a_date_whose_message_still_waits_gets_no_second_one(task):
    first, second = task.due_at, in_hours(5)
    sweep()
    Delivery.objects.update(not_before=in_hours(1))  # deferred by a 451
    move(task, second)
    tell()

    move(task, first)
    tell()
    Delivery.objects.filter(status="queued").update(not_before=timezone.now())
    tell()

    assert told(task) == [(second, 1), (first, 1)]


def test_a_message_on_the_wire_while_its_date_went_and_came_back_is_not_repeated_beside_the_new_round(task):
    first, second = task.due_at, in_hours(5)
    sweep()
    holder = Holder()
    (pk,) = claim(Delivery, holder, limit=1, lease=lease(), turn=turn)
    letter = renew(pk, holder, ["email"])
    Delivery.objects.update(handed_over_at=timezone.now() - timedelta(minutes=5))
    move(task, second)
    tell()
    move(task, first)
    tell()

    settle(letter, holder)
    tell()

    assert sorted(told(task)) == [(first, 1), (first, 2), (second, 1)]


def test_a_message_that_was_refused_while_a_new_round_took_its_place_is_not_sent(task):
    first, second = task.due_at, in_hours(5)
    sweep()
    holder = Holder()
    (pk,) = claim(Delivery, holder, limit=1, lease=lease(), turn=turn)
    renew(pk, holder, ["email"])
    Delivery.objects.update(handed_over_at=timezone.now() - timedelta(minutes=5))
    move(task, second)
    tell()
    move(task, first)
    sweep()

    Delivery.objects.filter(pk=pk).update(
        status="queued", lease_token=None, lease_until=None, handing_over=False, reason="451 later"
    )
    tell()

    assert told(task) == [(second, 1), (first, 2)]
    assert Delivery.objects.get(pk=pk).reason == "told again in a later round"


def test_edits_within_ten_seconds_of_a_message_are_one_message_when_they_are_over(task):
    sweep()
    deliver_batch()
    dates = [in_hours(hours) for hours in (4, 5, 6, 7, 8)]
    for due_at in dates:
        move(task, due_at)
        sweep()

    assert deliver_batch()["claimed"] == 0
    waiting = Reminder.objects.get(status="planned")
    assert waiting.due_at == dates[-1]
    assert 5 < (waiting.remind_at - timezone.now()).total_seconds() <= 10

    Delivery.objects.update(handed_over_at=timezone.now() - timedelta(seconds=11))
    Reminder.objects.filter(status="planned").update(remind_at=timezone.now())
    tell()

    assert [due_at for due_at, _ in told(task)] == [told(task)[0][0], dates[-1]]


def test_a_quiet_end_stands_when_the_task_is_looked_at_again(task):
    tell()
    Delivery.objects.update(handed_over_at=timezone.now())
    move(task, in_hours(5))
    plan()
    before = Reminder.objects.get(status="planned").remind_at

    services.update_task(task, status="in_progress")
    plan()

    assert Reminder.objects.get(status="planned").remind_at == before


def test_a_changed_offset_never_tells_a_sent_reminder_again(task):
    tell()

    rule = default_rule()
    rule.offset = timedelta(hours=-1)
    rule.save()
    tell()

    assert told(task) == [(task.due_at, 1)]


def test_what_another_owner_was_told_is_not_what_this_one_knows(task, bob):
    first, second = task.due_at, in_hours(5)
    tell()
    Task.objects.update(owner=bob)
    tell()
    move(task, second)
    tell()

    move(task, first)
    tell()

    recipients = (
        Delivery.objects.filter(status="sent").order_by("sent_at").values_list("recipient__username", flat=True)
    )
    assert told(task) == [(first, 1), (first, 1), (second, 1), (first, 2)]
    assert list(recipients) == ["alice", "bob", "bob", "bob"]


def test_a_date_that_came_back_while_the_other_was_refused_is_not_told_twice(task):
    """The other was on the wire when planning looked, and its recipient's server then refused it."""
    first, second = task.due_at, in_hours(5)
    tell()
    move(task, second)
    sweep()
    holder = Holder()
    (pk,) = claim(Delivery, holder, limit=1, lease=lease(), turn=turn)
    renew(pk, holder, ["email"])
    move(task, first)
    plan()
    again = Reminder.objects.get(task=task, round=2)
    Delivery.objects.filter(pk=pk).update(
        status="queued", lease_token=None, lease_until=None, handing_over=False, reason="451 later"
    )
    Reminder.objects.filter(pk=again.pk).update(remind_at=timezone.now())
    tell()

    assert again.remind_at > timezone.now() + timedelta(seconds=20)  # by then it is known what became of the other
    assert told(task) == [(first, 1)]
    assert Delivery.objects.get(reminder=again).reason == "this due date was the last that was told"


def test_a_delivery_for_a_new_owner_is_due_at_once_whatever_the_rule_says_now(task, bob):
    tell()
    rule = default_rule()
    rule.offset = timedelta(hours=-1)
    rule.save()

    Task.objects.update(owner=bob)
    tell()

    assert [each.recipient.username for each in Delivery.objects.filter(status="sent")] == ["bob", "alice"]
