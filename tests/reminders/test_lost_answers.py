"""PostgreSQL, or the way to it, is lost in the middle of a run: what was accepted is written down all the same."""

from collections import Counter
from contextlib import suppress
from time import monotonic

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from reminders.delivering import deliver_batch, turn
from reminders.last_check import lease
from reminders.models import Delivery
from reminders.sweep import rescue_lost_deliveries, send_due_soon
from tests.factories import make_delivery, make_task
from tests.reminders.handing import hand_over
from work.claims import Holder, claim
from work.insisting import DATABASE_AWAY, insist

BY_ITSELF = 'UPDATE "reminders_delivery" SET'
WITH_THE_NEXT = "WITH settled AS"
ITS_PARAMETERS = "seconds_late"
"""They come after the text of the statement was parsed."""
BREAKER = 'INTO "work_breaker"'

some_or_all = pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
either_way = pytest.mark.parametrize("is_carried_out", [True, False], ids=["answer lost", "never heard"])


def steps() -> list[list[str]]:
    return [[entry["step"] for entry in delivery.history] for delivery in Delivery.objects.order_by("pk")]


@either_way
def test_a_message_that_was_accepted_is_sent_once(wire, alice, mail_server, is_carried_out):
    make_delivery(make_task(alice))
    wire.break_at(BY_ITSELF, is_carried_out=is_carried_out)

    counts = deliver_batch()

    assert counts == {"claimed": 1, "sent": 1}
    assert len(mail_server.accepted) == 1
    assert steps() == [["claimed", "sent"]]
    assert not Delivery.objects.get().unknown_outcome


@either_way
def test_a_run_goes_on_with_the_next_message(wire, alice, mail_server, is_carried_out):
    for _ in range(4):
        make_delivery(make_task(alice))
    wire.break_at(WITH_THE_NEXT, ITS_PARAMETERS, is_carried_out=is_carried_out)

    counts = deliver_batch()

    assert counts == {"claimed": 4, "sent": 4}
    assert len(mail_server.accepted) == 4
    assert steps() == [["claimed", "sent"]] * 4
    assert not Delivery.objects.filter(unknown_outcome=True).exists()


@either_way
def test_a_message_that_was_refused_has_failed(wire, alice, mail_server, is_carried_out):
    make_delivery(make_task(alice))
    mail_server.answers["RCPT"] = "550 5.1.1 no such user"
    wire.break_at(BY_ITSELF, is_carried_out=is_carried_out)

    counts = deliver_batch()

    assert counts == {"claimed": 1, "failed": 1}
    assert steps() == [["claimed", "failed"]]


def test_a_message_that_was_refused_has_failed_though_the_database_went_meanwhile(wire, alice, mail_server):
    make_delivery(make_task(alice))
    mail_server.answers["RCPT"] = "550 5.1.1 no such user"
    wire.break_at(BREAKER, is_carried_out=False)

    deliver_batch()

    assert steps() == [["claimed", "failed"]]


@either_way
def test_what_was_not_begun_is_handed_back(wire, alice, mail_server, is_carried_out):
    for _ in range(2):
        make_delivery(make_task(alice))
    holder = Holder()
    batch = claim(Delivery, holder, limit=10, lease=lease(), turn=turn)
    wire.break_at(BY_ITSELF, is_carried_out=is_carried_out)

    hand_over(*batch, holder=holder, seconds=0)

    assert steps() == [["claimed", "handed back"]] * 2


def test_a_database_that_stays_away_is_not_waited_for_longer_than_the_lease(wire, alice, mail_server, settings):
    settings.DELIVERY_LEASE_SECONDS = 2
    make_delivery(make_task(alice))
    wire.break_at(BY_ITSELF, is_carried_out=False, stays_broken=True)
    began = monotonic()

    with pytest.raises(OperationalError):
        deliver_batch()
    wire.mend()

    assert monotonic() - began > 2

    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.handing_over) == ("leased", True)


@some_or_all
@either_way
def test_whichever_request_it_is_each_reminder_is_told_once(wire, broker, alice, mail_server, is_carried_out, step):
    titles, number, has_broken = [], 1 - step, True
    while has_broken:
        number += step
        titles += [f"task {number} {letter}" for letter in "abc"]
        for title in titles[-3:]:
            make_task(alice, title=title)
        wire.break_after(number, is_carried_out=is_carried_out)
        with suppress(*DATABASE_AWAY):
            send_due_soon()
            deliver_batch()
        has_broken = wire.has_broken
        wire.mend()
        connection.close()

        until_all_is_sent()

        told = Counter(message["Subject"].split(": ")[-1] for message in mail_server.accepted)
        assert told == Counter(titles), f"after {number} requests"
    assert number > 20


def until_all_is_sent() -> None:
    """What other workers do, once the leases are over."""
    for _ in range(5):
        make_due_again()
        send_due_soon()
        deliver_batch()
    assert not Delivery.objects.exclude(status="sent").exists()


def make_due_again() -> None:
    Delivery.objects.filter(status="leased").update(lease_until=timezone.now())
    rescue_lost_deliveries()
    Delivery.objects.filter(status="queued").update(not_before=timezone.now())


def test_within_a_transaction_it_is_called_once(committed_db):
    calls = []

    def write() -> None:
        calls.append(1)
        raise OperationalError

    with pytest.raises(OperationalError), transaction.atomic():
        insist(write, until=monotonic() + 10)
    assert calls == [1]
