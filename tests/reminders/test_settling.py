"""The end of one message and the last check of the next are one statement."""

from datetime import timedelta

import pytest
from django.db import connection

from reminders.delivering import deliver_batch, turn
from reminders.last_check import SETTLE_AND_RENEW, Letter, lease, renew, renewing, settle_and_renew
from reminders.models import Delivery
from reminders.sweep import rescue_lost_deliveries
from taskapp import services
from tests.at_once import another_connection
from tests.factories import in_hours, make_delivery, make_task
from work.claims import Holder, claim


@pytest.fixture
def accepted(committed_db, alice) -> tuple[Holder, Letter, Delivery]:
    """A run that has had one message accepted, and its next delivery."""
    first, second = make_delivery(make_task(alice)), make_delivery(make_task(alice))
    holder = Holder()
    claim(Delivery, holder, limit=2, lease=lease(), turn=turn)
    letter = renew(first.pk, holder, ["email"])
    assert letter is not None
    return holder, letter, second


def test_what_was_accepted_is_written_down_with_the_next_check(accepted):
    holder, letter, second = accepted

    settled = settle_and_renew(letter, second.pk, holder, ["email"])
    is_ours, other = settled.is_ours, settled.next

    sent = Delivery.objects.get(pk=letter.id)
    second.refresh_from_db()
    assert (is_ours, sent.status, sent.reason, sent.lease_token, sent.handing_over) == (True, "sent", "", None, False)
    assert (sent.history[-1]["step"], sent.history[-1]["to"]) == ("sent", "alice@example.org")
    assert (other.id, other.why, second.handing_over) == (second.pk, "", True)


def test_a_change_before_that_check_is_seen(accepted):
    holder, letter, second = accepted
    services.complete_task(second.reminder.task)

    other = settle_and_renew(letter, second.pk, holder, ["email"]).next

    second.refresh_from_db()
    assert (other.why, second.handing_over) == ("the task was done", False)


def test_one_whose_lease_was_lost_is_not_settled_and_the_next_is_left_to_a_check_of_its_own(accepted):
    holder, letter, second = accepted
    Delivery.objects.filter(pk=letter.id).update(lease_until=in_hours(-1))
    rescue_lost_deliveries()

    settled = settle_and_renew(letter, second.pk, holder, ["email"])

    assert (settled.is_ours, settled.next) == (False, None)

    lost = Delivery.objects.get(pk=letter.id)
    second.refresh_from_db()
    assert (lost.status, lost.unknown_outcome) == ("queued", True)
    assert second.handing_over is False


def test_the_next_whose_lease_was_lost_is_left_alone_and_the_first_is_settled(accepted):
    holder, letter, second = accepted
    Delivery.objects.filter(pk=second.pk).update(lease_until=in_hours(-1))
    rescue_lost_deliveries()

    settled = settle_and_renew(letter, second.pk, holder, ["email"])
    assert (settled.is_ours, settled.next) == (True, None)

    second.refresh_from_db()
    assert (second.status, second.handing_over) == ("queued", False)


def test_a_row_that_somebody_holds_is_not_waited_for_while_the_first_is_locked(accepted):
    holder, letter, second = accepted
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1ms'")

    with another_connection() as other:
        other.execute("SELECT 1 FROM reminders_delivery WHERE id = %s FOR UPDATE", [second.pk])
        settled = settle_and_renew(letter, second.pk, holder, ["email"])
        assert (settled.is_ours, settled.next) == (True, None)

    assert Delivery.objects.get(pk=letter.id).status == "sent"


def test_one_row_is_looked_up_and_not_all_that_is_leased(accepted):
    holder, letter, second = accepted
    parameters = {
        **renewing(second.pk, holder, ["email"]),
        "accepted": letter.id,
        "accepted_by": "email",
        "facts": "{}",
    }

    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")  # for so few rows it would be the cheapest
        cursor.execute(f"EXPLAIN {SETTLE_AND_RENEW}", parameters)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "delivery_leased" not in plan


def test_at_most_one_message_of_a_connection_is_accepted_and_not_written_down(committed_db, alice, mail_server):
    for _ in range(5):
        make_delivery(make_task(alice))
    on_the_wire = []

    def look() -> None:
        with another_connection() as other:
            rows = other.execute("SELECT status, handing_over FROM reminders_delivery ORDER BY id").fetchall()
        on_the_wire.append((rows.count(("leased", True)), rows.count(("sent", False))))

    mail_server.before_data = look
    deliver_batch()

    assert on_the_wire == [(1, number) for number in range(5)]
    assert Delivery.objects.filter(status="sent").count() == 5


def test_the_last_of_a_batch_is_written_down_whatever_ends_it(committed_db, alice, mail_server, monkeypatch):
    for _ in range(3):
        make_delivery(make_task(alice))
    monkeypatch.setattr("reminders.delivering.Run.may_go_on", lambda run, until: len(mail_server.accepted) < 2)

    deliver_batch()

    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["queued", "sent", "sent"]


def test_a_batch_goes_on_for_a_while(alice, mail_server, settings, db):
    settings.DELIVERY_BATCH_SIZE = 2
    for _ in range(5):
        make_delivery(make_task(alice))

    assert deliver_batch() == {"claimed": 2, "sent": 2}
    assert deliver_batch(go_on=timedelta(minutes=1).total_seconds()) == {"claimed": 3, "sent": 3}
