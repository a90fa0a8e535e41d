"""A mail server that takes long is waited for, and nobody else waits for it."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from reminders import awaiting, health
from reminders.delivering import deliver_batch
from reminders.models import Delivery
from reminders.sweep import BELL, rescue_lost_deliveries
from taskapp import services
from tests.at_once import another_connection
from tests.factories import in_hours, make_delivery, make_task, make_user
from tests.mail_server import MailServer
from tests.waiting import eventually
from work import bell, failpoints
from work.models import Breaker


@pytest.fixture
def alice(committed_db) -> User:
    return make_user("alice")


@contextmanager
def a_job() -> Iterator[list[dict[str, int]]]:
    """A job at work meanwhile; its counts, when it has ended."""
    counts: list[dict[str, int]] = []

    def work() -> None:
        try:
            counts.append(deliver_batch())
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield counts
    finally:
        thread.join()


@contextmanager
def held(mail_server: MailServer, step: str, *people: User) -> Iterator[None]:
    """A job at work, and this step is not answered for these people until the block is over."""
    for person in people:
        mail_server.hold(step, person.email)
    with a_job():
        try:
            eventually(lambda: len(mail_server.waiting) == len(people), every=0.02)
            yield
        finally:
            mail_server.release()


def steps_of(delivery: Delivery) -> list[str]:
    delivery.refresh_from_db()
    return [entry["step"] for entry in delivery.history]


def people(number: int, *, domain: str = "") -> list[User]:
    """Each at a domain of their own, or all at the same."""
    return [
        User.objects.create(username=f"person{n}", email=f"person{n}@{domain or f'{n}.example'}") for n in range(number)
    ]


def test_an_answer_that_takes_longer_than_a_lease_is_waited_for(alice, mail_server, settings):
    settings.DELIVERY_LEASE_SECONDS = 1
    delivery = make_delivery(make_task(alice))

    with held(mail_server, "DATA", alice):
        first = Delivery.objects.get().lease_until
        eventually(lambda: Delivery.objects.get().lease_until > first + timedelta(seconds=1.5))

    assert len(mail_server.accepted) == 1
    assert steps_of(delivery) == ["claimed", "waiting", "sent"]
    assert (delivery.status, delivery.unknown_outcome) == ("sent", False)


def test_while_an_answer_is_waited_for_the_row_says_so(alice, mail_server, settings):
    settings.DELIVERY_LEASE_SECONDS = 1
    make_delivery(make_task(alice))

    with held(mail_server, "DATA", alice):
        eventually(lambda: Delivery.objects.get().reason)
        waiting = Delivery.objects.get()

    assert (waiting.status, waiting.reason) == ("leased", "waiting for the mail server")


def test_a_message_that_is_waited_for_is_not_late(alice, mail_server):
    make_delivery(make_task(alice))

    with held(mail_server, "DATA", alice):
        Delivery.objects.update(not_before=in_hours(-1), created_at=in_hours(-1), handed_over_at=in_hours(-1))

        assert health.deliveries() == ""


def test_a_server_that_answers_nobody_is_named(alice, mail_server):
    make_delivery(make_task(alice))
    bell.answer(BELL)  # the workers are well

    with held(mail_server, "DATA", alice):
        assert "1 wait for a reply" not in health.mail()
        Delivery.objects.update(handed_over_at=in_hours(-1))

        assert "1 wait for a reply" in health.mail()


def test_a_message_whose_lease_is_somebody_elses_is_broken_off(alice, mail_server, settings):
    settings.DELIVERY_LEASE_SECONDS = 1
    delivery = make_delivery(make_task(alice))
    theirs = uuid.uuid4()

    mail_server.hold("DATA", alice.email)
    with a_job() as counts:
        eventually(lambda: mail_server.waiting)
        Delivery.objects.update(lease_token=theirs)
    mail_server.release()

    delivery.refresh_from_db()
    assert counts == [{"claimed": 1, "handed back": 1}]
    assert (delivery.status, delivery.lease_token) == ("leased", theirs)


def test_an_answer_that_never_comes_is_given_up_after_its_time(alice, mail_server, settings):
    settings.EMAIL_ANSWER_SECONDS = 1
    delivery = make_delivery(make_task(alice))
    mail_server.hold("DATA", alice.email)

    deliver_batch()
    mail_server.release()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.unknown_outcomes, delivery.attempts) == ("queued", 1, 0)
    assert "waiting for the reply to the message" in delivery.reason


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_the_others_go_while_twenty_wait(alice, mail_server, settings, step):
    settings.DELIVERY_SLOW_SECONDS = 0.1
    slow = people(20)
    for person in slow:
        make_delivery(make_task(person))

    with held(mail_server, step, *slow):
        for _ in range(10):
            make_delivery(make_task(alice))
        settings.EMAIL_CONNECTIONS = 21
        deliver_batch()

        assert len(mail_server.accepted) == 10

    assert len(mail_server.accepted) == 30
    assert mail_server.connections <= 22


def test_a_process_opens_so_many_connections_and_no_more(alice, mail_server, settings):
    settings.DELIVERY_SLOW_SECONDS = 0.05
    settings.EMAIL_CONNECTIONS = 3
    slow = people(5)
    for person in slow:
        make_delivery(make_task(person))
        mail_server.hold("DATA", person.email)

    with a_job() as counts:
        eventually(lambda: Delivery.objects.filter(status="queued").count() == 2)
        waiting = len(mail_server.waiting)
        mail_server.release()

    assert waiting == mail_server.connections == 3
    assert counts == [{"claimed": 5, "handed back": 2}]


def test_of_one_domain_five_are_waited_for_and_the_others_put_off(alice, mail_server, settings):
    settings.DELIVERY_SLOW_SECONDS = 0.05
    slow = people(7, domain="slow.example")
    for person in slow:
        make_delivery(make_task(person))
        mail_server.hold("DATA", person.email)

    with a_job() as counts:
        eventually(lambda: Delivery.objects.filter(status="queued").count() == 2)
        waiting = len(mail_server.waiting)
        mail_server.release()

    assert waiting == 5
    assert counts == [{"claimed": 7, "put off": 2}]
    put_off = Delivery.objects.filter(status="queued").first()
    assert put_off.reason == "other messages wait for this recipient's domain"
    assert put_off.not_before > timezone.now()


def test_a_server_that_wants_no_more_connections_keeps_those_it_has(alice, mail_server, settings):
    settings.DELIVERY_SLOW_SECONDS = 0.05
    mail_server.most_connections = 2
    slow = people(3)
    for person in slow:
        make_delivery(make_task(person))
        mail_server.hold("DATA", person.email)

    with a_job():
        eventually(lambda: len(mail_server.waiting) == 2 and mail_server.turned_away)
        mail_server.release()

    assert len(mail_server.accepted) == 3
    assert health.mail() == ""


def test_a_change_while_the_recipient_was_looked_at_is_not_announced(alice, mail_server, monkeypatch):
    monkeypatch.setattr("reminders.conversations.CONFIRMED_FOR_SECONDS", 0.0)
    task = make_task(alice)
    delivery = make_delivery(task)

    with held(mail_server, "RCPT", alice):
        services.complete_task(task)

    assert mail_server.taken == []
    assert steps_of(delivery) == ["claimed", "suppressed"]
    assert delivery.reason == "the task was done"


def test_a_title_that_was_changed_while_the_recipient_was_looked_at_is_the_new_one(alice, mail_server, monkeypatch):
    monkeypatch.setattr("reminders.conversations.CONFIRMED_FOR_SECONDS", 0.0)
    task = make_task(alice, title="As it was")
    delivery = make_delivery(task)

    with held(mail_server, "RCPT", alice):
        services.update_task(task, title="As it is")
    deliver_batch()

    (mail,) = mail_server.accepted
    assert mail["Subject"].endswith("As it is")
    assert steps_of(delivery) == ["claimed", "handed back", "claimed", "sent"]


def test_a_server_that_turns_further_connections_away_is_not_asked_again_and_again(alice, mail_server, settings):
    settings.DELIVERY_SLOW_SECONDS = 0.05
    mail_server.most_connections = 1
    make_delivery(make_task(alice))

    with held(mail_server, "DATA", alice):
        make_delivery(make_task(make_user("bob")))
        counts = deliver_batch()
        turned_away = mail_server.turned_away

    assert counts == {"claimed": 1, "handed back": 1}
    assert turned_away == 1
    assert not Breaker.objects.exclude(open_until=None).exists()


def test_a_row_that_somebody_locks_costs_no_other_its_lease(alice, mail_server, settings):
    settings.DELIVERY_LEASE_SECONDS = 2
    settings.DELIVERY_SLOW_SECONDS = 0.05
    bob = make_user("bob")
    locked, other = make_delivery(make_task(alice)), make_delivery(make_task(bob))

    with held(mail_server, "DATA", alice, bob), another_connection() as somebody:
        somebody.execute("SELECT 1 FROM reminders_delivery WHERE id = %s FOR UPDATE", [locked.pk])
        first = Delivery.objects.get(pk=other.pk).lease_until
        eventually(lambda: Delivery.objects.get(pk=other.pk).lease_until > first + timedelta(seconds=3))
        somebody.rollback()

    other.refresh_from_db()
    assert (other.status, other.unknown_outcome) == ("sent", False)
    assert not Breaker.objects.filter(failures__gt=0).exists()


def test_an_attendant_that_has_died_is_replaced_and_what_it_had_is_taken_over(alice, mail_server, monkeypatch):
    """Nothing is known that ends one; if something does, its messages must not be lost with it."""
    monkeypatch.setattr(awaiting, "_outlive", True)
    dead = awaiting.Attendant()
    monkeypatch.setattr(awaiting, "_attendant", dead)  # was never started
    make_delivery(make_task(alice))
    mail_server.hold("DATA", alice.email)

    assert deliver_batch() == {"claimed": 1}
    eventually(lambda: awaiting.conversations())
    mail_server.release()

    eventually(lambda: Delivery.objects.get().status == "sent")
    eventually(lambda: not awaiting.is_busy(), within=2 * awaiting.SPARE_SECONDS)


def test_a_thread_that_hangs_on_nothing_of_the_servers_is_given_up(alice, mail_server, settings, monkeypatch):
    """It would keep its row, and a connection, for as long as the process lives."""
    settings.DELIVERY_LEASE_SECONDS = 1
    go_on = threading.Event()

    def hang(point: str, facts: dict) -> None:
        if point == "delivery checked":
            settings.EMAIL_COMMAND_SECONDS = settings.EMAIL_DATA_SECONDS = settings.EMAIL_ANSWER_SECONDS = 0.2
            go_on.wait(60)

    monkeypatch.setattr(failpoints, "at_point", hang)
    delivery = make_delivery(make_task(alice))

    assert deliver_batch() == {"claimed": 1}
    Delivery.objects.update(lease_until=in_hours(-1))
    rescue_lost_deliveries()
    go_on.set()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.lease_token) == ("queued", None)
    assert mail_server.taken == []
