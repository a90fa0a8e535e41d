"""From a queued delivery to an accepted message, against a real SMTP server."""

import contextlib
import socket
import threading
import time
from datetime import timedelta
from time import monotonic

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from accounts.models import Preference
from reminders.canary import MAIL
from reminders.channels.base import TransportError
from reminders.channels.email import EmailChannel
from reminders.delivering import deliver_batch, turn
from reminders.last_check import LONG_AGO_SECONDS, Letter, lease, renew, suppress
from reminders.models import Delivery
from reminders.outcomes import settle
from reminders.sweep import rescue_lost_deliveries
from taskapp import services
from taskapp.models import Task
from tests.at_once import another_connection, at_once
from tests.factories import in_hours, make_delivery, make_task, make_user
from tests.mail_server import BlackHole
from tests.reminders.handing import Held, hand_over
from tests.waiting import eventually
from work.claims import Holder, claim, claim_alone
from work.models import Bell, Breaker

pytestmark = pytest.mark.django_db


def steps_of(delivery: Delivery) -> list[str]:
    return [entry["step"] for entry in delivery.history]


def make_due_again() -> None:
    Delivery.objects.filter(status="queued").update(not_before=timezone.now())
    Breaker.objects.exclude(open_until=None).update(open_until=timezone.now() - timedelta(seconds=1))


def test_a_queued_delivery_is_sent_and_says_so(alice, mail_server):
    delivery = make_delivery(make_task(alice, title="Pay the rent"))

    counts = deliver_batch()

    delivery.refresh_from_db()
    (mail,) = mail_server.accepted
    assert counts == {"claimed": 1, "sent": 1}
    assert delivery.status == "sent"
    assert delivery.sent_at is not None
    assert delivery.address == "alice@example.org"
    assert steps_of(delivery) == ["claimed", "sent"]
    assert mail["To"] == "alice@example.org"
    assert mail["Message-ID"] == delivery.message_id


def test_one_connection_carries_a_whole_batch(alice, mail_server):
    for _ in range(5):
        make_delivery(make_task(alice))

    deliver_batch()

    assert len(mail_server.accepted) == 5
    assert mail_server.connections == 1


def test_a_batch_is_no_larger_than_the_setting(alice, mail_server, settings):
    settings.DELIVERY_BATCH_SIZE = 2
    for _ in range(3):
        make_delivery(make_task(alice))

    deliver_batch()

    assert len(mail_server.accepted) == 2
    assert Delivery.objects.filter(status="queued").count() == 1


def test_a_delivery_that_is_not_due_yet_is_left_alone(alice, mail_server):
    make_delivery(make_task(alice), not_before=in_hours(1))

    assert deliver_batch() == {"claimed": 0}


WHY_NOT = {
    "the task was done": lambda task: services.complete_task(task),
    "the task was deleted": lambda task: services.delete_task(task),
    "the due date was moved": lambda task: services.update_task(task, due_at=in_hours(72)),
    "the due date was removed": lambda task: services.update_task(task, due_at=None),
    "the account is inactive": lambda task: User.objects.update(is_active=False),
    "unsubscribed": lambda task: Preference.objects.create(user=task.owner, email_enabled=False),
    "no address": lambda task: User.objects.update(email=""),
    "the task belongs to somebody else now": lambda task: Task.objects.update(owner=make_user("carol")),
}


@pytest.mark.parametrize("reason", WHY_NOT)
def test_what_was_changed_before_the_last_check_is_not_announced_and_the_row_says_why(alice, mail_server, reason):
    task = make_task(alice)
    delivery = make_delivery(task)

    WHY_NOT[reason](task)
    deliver_batch()

    delivery.refresh_from_db()
    assert mail_server.taken == []
    assert (delivery.status, delivery.reason) == ("suppressed", reason)
    assert steps_of(delivery)[-1] == "suppressed"


def test_a_change_between_claim_and_check_is_not_announced(alice, mail_server):
    task = make_task(alice)
    delivery = make_delivery(task)
    holder = Holder()
    (pk,) = claim(Delivery, holder, limit=10, lease=lease(), turn=turn)

    services.complete_task(task)
    hand_over(pk, holder=holder)

    delivery.refresh_from_db()
    assert mail_server.taken == []
    assert delivery.reason == "the task was done"


def test_a_task_reopened_between_check_and_suppression_is_announced(alice, mail_server):
    task = make_task(alice)
    make_delivery(task)
    services.complete_task(task)
    holder = Holder()
    (pk,) = claim(Delivery, holder, limit=10, lease=lease(), turn=turn)
    letter = renew(pk, holder, ["email"])

    services.update_task(task, status="todo")
    is_at_rest = suppress(letter, holder)

    assert letter.why == "the task was done"
    assert is_at_rest is False
    assert Delivery.objects.get().status == "leased"


def test_what_is_said_is_what_the_task_says_at_the_last_check(alice, mail_server):
    task = make_task(alice, title="Pay the rent")
    make_delivery(task)

    services.update_task(task, title="Pay the rent, and the water")
    deliver_batch()

    assert "Pay the rent, and the water" in mail_server.accepted[0]["Subject"]


def test_a_recipient_refused_for_now_is_tried_again_later_and_says_why(alice, mail_server, settings):
    settings.DELIVERY_BACKOFF_SECONDS = 5
    delivery = make_delivery(make_task(alice))
    mail_server.answers["RCPT"] = "451 4.3.0 greylisted, come again"

    deliver_batch()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("queued", 1)
    assert "451" in delivery.reason
    assert "greylisted" in delivery.reason
    assert 3 < (delivery.not_before - timezone.now()).total_seconds() < 6
    assert steps_of(delivery) == ["claimed", "deferred"]


def test_a_deferred_delivery_is_sent_by_a_later_attempt_under_the_same_message_id(alice, mail_server):
    delivery = make_delivery(make_task(alice))
    mail_server.answers["DATA"] = "452 4.2.2 mailbox full"
    deliver_batch()
    first = mail_server.taken[0]["Message-ID"]

    mail_server.answers.clear()
    make_due_again()
    deliver_batch()

    delivery.refresh_from_db()
    assert delivery.status == "sent"
    assert mail_server.accepted[0]["Message-ID"] == first


def test_a_recipient_rejected_for_good_fails_at_once_and_says_why(alice, mail_server):
    delivery = make_delivery(make_task(alice))
    mail_server.answers["RCPT"] = "550 5.1.1 no such user"

    deliver_batch()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("failed", 1)
    assert "550 5.1.1 no such user" in delivery.reason


def test_one_bad_address_does_not_stop_the_others(alice, bob, mail_server):
    mail_server.answers["alice@example.org"] = "550 5.1.1 no such user"
    bad, good = make_delivery(make_task(alice)), make_delivery(make_task(bob))

    deliver_batch()

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, good.status) == ("failed", "sent")
    assert mail_server.connections == 1


@pytest.mark.parametrize("address", ["no address at all", "two@@example.org", "a@b\nBcc: c@d", "äpfel@example.org"])
def test_an_address_that_cannot_be_written_to_fails_and_the_others_go(alice, bob, mail_server, address):
    User.objects.filter(pk=alice.pk).update(email=address)
    bad, good = make_delivery(make_task(alice)), make_delivery(make_task(bob))

    deliver_batch()

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, good.status) == ("failed", "sent")
    assert len(mail_server.accepted) == 1


def test_spent_attempts_end_in_failed(alice, mail_server, settings):
    settings.DELIVERY_MAX_ATTEMPTS = 2
    delivery = make_delivery(make_task(alice))
    mail_server.answers["RCPT"] = "451 later"

    deliver_batch()
    make_due_again()
    deliver_batch()

    delivery.refresh_from_db()
    assert delivery.status == "failed"
    assert delivery.reason.startswith("2 attempts; the last: ")


@pytest.mark.parametrize(
    "where",
    [
        "nobody listens",
        "silent",
        "dribbling",
        "greets with 421",
        "greets with 554",
        "answers MAIL with 421",
        "answers MAIL with 530",
    ],
)
def test_a_way_that_does_not_work_costs_no_attempt_and_parks_the_rest(alice, mail_server, settings, where, request):
    settings.EMAIL_COMMAND_SECONDS = 1
    deliveries = [make_delivery(make_task(alice)) for _ in range(3)]
    if where == "nobody listens":
        settings.MAIL_SERVER = {**mail_server.settings, "port": 1}
    elif where.startswith("answers MAIL with "):
        mail_server.answers["MAIL"] = f"{where[-3:]} not like this"
    elif where.startswith("greets with "):
        port = one_line_server(request, f"{where[-3:]} not now\r\n".encode())
        settings.MAIL_SERVER = {**mail_server.settings, "port": port}
    else:
        settings.MAIL_SERVER = enter(request, BlackHole(dribble=where == "dribbling")).settings

    for _ in range(3):
        assert deliver_batch()["claimed"] == 3

    for delivery in deliveries:
        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts, delivery.unknown_outcome) == ("queued", 0, False)
    assert "mail server" in deliveries[0].reason or where[-3:] in deliveries[0].reason
    assert deliver_batch() == {}  # the breaker is open
    assert mail_server.accepted == []


def enter(request, manager):
    entered = manager.__enter__()
    request.addfinalizer(lambda: manager.__exit__(None, None, None))
    return entered


def one_line_server(request, line: bytes) -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    request.addfinalizer(lambda: listener.shutdown(socket.SHUT_RDWR) or listener.close())

    def serve() -> None:
        with contextlib.suppress(OSError):  # closed when the test is over
            while True:
                connection, _ = listener.accept()
                connection.sendall(line)
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def test_one_connection_that_fails_parks_nobody(alice, mail_server, settings):
    make_delivery(make_task(alice))
    settings.MAIL_SERVER = {**mail_server.settings, "port": 1}
    deliver_batch()

    settings.MAIL_SERVER = mail_server.settings
    deliver_batch()

    assert len(mail_server.accepted) == 1


def test_a_probe_is_one_message_and_when_it_is_accepted_the_rest_goes(alice, mail_server):
    for _ in range(3):
        make_delivery(make_task(alice))
    Breaker.objects.create(name="email", failures=3, open_until=in_hours(-1))

    probe, rest = deliver_batch(), deliver_batch()

    assert probe == {"claimed": 1, "sent": 1}
    assert rest == {"claimed": 2, "sent": 2}


def test_a_server_that_closes_after_some_messages_gets_the_rest_on_new_connections(alice, mail_server):
    mail_server.messages_per_connection = 2
    for _ in range(5):
        make_delivery(make_task(alice))

    deliver_batch()
    deliver_batch()

    assert len(mail_server.accepted) == 5
    assert Breaker.objects.get().failures == 0
    assert not Delivery.objects.exclude(attempts=0).exists()


def test_a_message_on_which_connections_break_while_others_get_through_spends_attempts(
    alice, bob, mail_server, settings
):
    settings.DELIVERY_MAX_ATTEMPTS = 2
    mail_server.hang_up_on = {"alice@example.org"}
    bad = make_delivery(make_task(alice))
    seen = []
    for _ in range(3):
        make_delivery(make_task(bob))
        make_due_again()
        deliver_batch()
        deliver_batch()
        bad.refresh_from_db()
        seen.append((bad.status, bad.attempts))

    assert seen == [("queued", 0), ("queued", 1), ("failed", 2)]
    assert len(mail_server.accepted) == 3


def test_a_message_on_which_a_connection_broke_lets_the_others_go_first(alice, bob, mail_server):
    mail_server.hang_up_on = {"alice@example.org"}
    bad = make_delivery(make_task(alice))
    for _ in range(3):
        make_delivery(make_task(bob))

    deliver_batch()
    deliver_batch()

    bad.refresh_from_db()
    assert len(mail_server.accepted) == 3
    assert bad.not_before > timezone.now()


def test_a_server_that_breaks_off_every_message_costs_nobody_an_attempt(alice, bob, mail_server):
    mail_server.hang_up_on = {"alice@example.org", "bob@example.org"}
    deliveries = [make_delivery(make_task(owner)) for owner in (alice, bob)]

    for _ in range(6):
        make_due_again()
        deliver_batch()

    assert mail_server.taken == []
    for delivery in deliveries:
        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == ("queued", 0)


def test_what_a_lost_run_had_goes_out_one_by_one_and_then_a_batch(alice, mail_server):
    lost = [make_delivery(make_task(alice)) for _ in range(3)]
    claim(Delivery, Holder(), limit=3, lease=timedelta(seconds=-1), turn=turn)
    rescue_lost_deliveries()
    make_delivery(make_task(alice))

    assert deliver_batch() == {"claimed": 4, "sent": 4}

    tokens = []
    for delivery in lost:
        delivery.refresh_from_db()
        tokens.append(steps_of(delivery))
    assert tokens == [["claimed", "lease expired", "claimed", "sent"]] * 3
    assert mail_server.connections == 1


def test_mail_flows_again_after_the_breakers_probe(alice, mail_server, settings):
    delivery = make_delivery(make_task(alice))
    settings.MAIL_SERVER = {**mail_server.settings, "port": 1}
    for _ in range(3):
        deliver_batch()

    settings.MAIL_SERVER = mail_server.settings
    make_due_again()
    deliver_batch()

    delivery.refresh_from_db()
    assert delivery.status == "sent"
    assert Breaker.objects.get().open_until is None


def test_an_answer_that_never_came_marks_the_outcome_unknown_and_repeats_the_same_message(alice, mail_server):
    task = make_task(alice, title="As it was")
    delivery = make_delivery(task)
    mail_server.hang_up_after_data = True
    deliver_batch()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.unknown_outcome, delivery.attempts) == ("queued", True, 0)

    mail_server.hang_up_after_data = False
    services.update_task(task, title="As it is")
    make_due_again()
    deliver_batch()

    delivery.refresh_from_db()
    first, second = mail_server.taken
    assert (delivery.status, delivery.unknown_outcome) == ("sent", True)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Subject"] == second["Subject"]
    assert first.get_body(("plain",)).get_content() == second.get_body(("plain",)).get_content()


def test_a_recipient_refused_by_hanging_up_fails_and_the_next_goes_on_a_new_connection(alice, bob, mail_server):
    mail_server.answers["alice@example.org"] = "550 5.7.1 go away"
    mail_server.hang_up_after_refusing = True
    bad, good = make_delivery(make_task(alice)), make_delivery(make_task(bob))

    deliver_batch()

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, bad.attempts, good.status) == ("failed", 1, "sent")
    assert mail_server.connections == 2
    assert not Breaker.objects.exclude(open_until=None).exists()


def test_an_answer_to_the_message_that_is_none_leaves_the_outcome_unknown(alice, mail_server):
    delivery = make_delivery(make_task(alice))
    mail_server.answers["DATA"] = "what?"

    deliver_batch()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.unknown_outcome) == ("queued", True)


def test_a_task_given_to_somebody_else_is_told_to_the_new_owner(alice, bob, mail_server):
    task = make_task(alice)
    make_delivery(task)

    Task.objects.update(owner=bob)
    deliver_batch()
    deliver_batch()

    assert [mail["To"] for mail in mail_server.accepted] == ["bob@example.org"]


def test_a_task_that_is_being_changed_is_put_off_and_not_waited_for(committed_db, mail_server):
    task = make_task(make_user("alice"))
    delivery = make_delivery(task)
    services.complete_task(task)

    with another_connection() as other:
        other.execute("UPDATE taskapp_task SET priority = 'high' WHERE id = %s", [task.pk])
        counts = deliver_batch()

    delivery.refresh_from_db()
    assert counts == {"claimed": 1, "left alone": 1}
    assert (delivery.status, delivery.attempts, delivery.reason) == ("queued", 0, "its task is being changed")
    assert delivery.not_before > timezone.now()


def test_a_run_that_died_while_it_connected_leaves_no_doubt(alice, mail_server):
    delivery = make_delivery(make_task(alice))
    holder = Holder()
    (pk,) = claim(Delivery, holder, limit=1, lease=lease(), turn=turn)
    renew(pk, holder, [])  # no channel is open yet
    Delivery.objects.update(lease_until=in_hours(-1))

    rescue_lost_deliveries()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.unknown_outcome) == ("queued", False)


def test_an_expired_lease_is_taken_again_and_the_late_run_finds_its_token_gone(alice, mail_server, settings):
    settings.DELIVERY_LEASE_SECONDS = 0
    delivery = make_delivery(make_task(alice))
    frozen = Holder()
    (pk,) = claim(Delivery, frozen, limit=1, lease=timedelta(seconds=-1), turn=turn)

    rescue_lost_deliveries()
    settings.DELIVERY_LEASE_SECONDS = 30
    deliver_batch()
    counts = hand_over(pk, holder=frozen)

    delivery.refresh_from_db()
    assert counts == {"claimed": 1, "left alone": 1}
    assert len(mail_server.accepted) == 1
    assert steps_of(delivery) == ["claimed", "lease expired", "claimed", "sent"]
    assert delivery.unknown_outcome is False


def test_a_run_that_slept_through_its_lease_leaves_the_row_to_the_one_that_has_it_now(alice, mail_server):
    make_delivery(make_task(alice))
    frozen, other = Holder(), Holder()
    (pk,) = claim(Delivery, frozen, limit=1, lease=timedelta(seconds=-1), turn=turn)
    rescue_lost_deliveries()
    claim_alone(Delivery, other, lease=lease())

    counts = hand_over(pk, holder=frozen)

    assert counts == {"claimed": 1, "left alone": 1}
    assert mail_server.taken == []
    assert Delivery.objects.get().lease_token == other.token


def test_each_message_has_the_whole_lease_from_its_last_check_on(alice, mail_server, settings):
    settings.DELIVERY_LEASE_SECONDS = 30
    make_delivery(make_task(alice))
    holder = Holder()
    (pk,) = claim(Delivery, holder, limit=1, lease=timedelta(seconds=5), turn=turn)

    renew(pk, holder, ["email"])

    assert 28 < (Delivery.objects.get().lease_until - timezone.now()).total_seconds() <= 30


def test_a_process_that_wakes_up_too_late_does_not_send_the_dot(alice, mail_server, monkeypatch):
    """Frozen, with the thread that would shut the socket: nothing but the look at the clock is left."""
    monkeypatch.setattr("reminders.channels.smtp.total_deadline", lambda *_: contextlib.nullcontext(threading.Event()))
    delivery = make_delivery(make_task(alice))

    with EmailChannel().session() as session, pytest.raises(TransportError, match="too late"):
        session.send(letter_of(delivery).message(), lease=Held(-1))

    assert mail_server.taken == []


def letter_of(delivery: Delivery) -> Letter:
    holder = Holder()
    claim(Delivery, holder, limit=1, lease=timedelta(minutes=1), turn=turn)
    return renew(delivery.pk, holder, ["email"])


def test_a_check_that_waited_for_a_lock_is_made_again(committed_db, mail_server):
    """Somebody holds the delivery; its task is done meanwhile; the check had looked at the task before."""
    task = make_task(make_user("alice"))
    delivery = make_delivery(task)
    holder = Holder()
    claim(Delivery, holder, limit=1, lease=lease(), turn=turn)
    letters = []

    with another_connection() as other:
        other.execute("SELECT 1 FROM reminders_delivery WHERE id = %s FOR UPDATE", [delivery.pk])
        checking = threading.Thread(
            target=lambda: (letters.append(renew(delivery.pk, holder, ["email"])), connection.close())
        )
        checking.start()
        eventually(lambda: waits_for_a_lock(other))
        services.complete_task(task)
        began = monotonic()
        eventually(lambda: monotonic() - began > LONG_AGO_SECONDS)
    checking.join()

    assert letters[0].why == "the task was done"


def waits_for_a_lock(other: psycopg.Connection) -> bool:
    return bool(other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())


def test_a_way_that_cannot_be_opened_by_a_defect_of_ours_costs_nobody_an_attempt(alice, mail_server, settings):
    settings.MAIL_SERVER = {**mail_server.settings, "user": "taskapp", "password": "pässword"}
    delivery = make_delivery(make_task(alice))

    for _ in range(3):
        deliver_batch()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("queued", 0)
    assert deliver_batch() == {}  # the breaker is open


def test_an_acceptance_is_noted_though_a_refusal_came_first(alice, bob, mail_server):
    mail_server.answers["alice@example.org"] = "550 no such user"
    make_delivery(make_task(alice))
    make_delivery(make_task(bob))

    deliver_batch()

    assert Breaker.objects.get().accepted_at is not None
    assert Bell.objects.get(name=MAIL).answered_at is not None


def test_what_goes_alone_leaves_half_of_the_time_to_the_rest(alice, mail_server, monkeypatch):
    monkeypatch.setattr("reminders.delivering.BUDGET_SECONDS", 1.0)
    mail_server.before_data = lambda: time.sleep(0.2)  # a slow server
    for _ in range(10):
        make_delivery(make_task(alice))
    claim(Delivery, Holder(), limit=10, lease=timedelta(seconds=-1), turn=turn)
    rescue_lost_deliveries()
    rest = make_delivery(make_task(alice))

    deliver_batch()

    rest.refresh_from_db()
    assert rest.status == "sent"


def test_a_lease_that_ran_out_while_the_message_was_on_its_way_leaves_the_outcome_unknown(alice, mail_server):
    delivery = make_delivery(make_task(alice))
    holder = Holder()
    (pk,) = claim(Delivery, holder, limit=1, lease=lease(), turn=turn)
    renew(pk, holder, ["email"])
    Delivery.objects.update(lease_until=in_hours(-1))

    rescue_lost_deliveries()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.unknown_outcome) == ("queued", True)


def test_a_delivery_that_somebody_else_settled_meanwhile_is_not_settled_again(alice, mail_server):
    delivery = make_delivery(make_task(alice))
    mail_server.before_data = lambda: None
    holder = Holder()
    (pk,) = claim(Delivery, holder, limit=1, lease=lease(), turn=turn)
    letter = renew(pk, holder, ["email"])
    Delivery.objects.update(lease_until=in_hours(-1))
    rescue_lost_deliveries()

    settle(letter, holder)

    delivery.refresh_from_db()
    assert delivery.status == "queued"


def test_a_defect_with_one_message_is_an_attempt_of_that_message_alone(alice, bob, mail_server, caplog):
    bad, good = make_delivery(make_task(alice)), make_delivery(make_task(bob))
    Task.objects.filter(owner=alice).update(timezone="Nowhere/Atall")

    deliver_batch()

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, bad.attempts, bad.reason) == ("queued", 1, "internal error: ZoneInfoNotFoundError")
    assert bad.unknown_outcome is False
    assert good.status == "sent"


def test_two_runs_at_once_send_each_message_once(committed_db, mail_server):
    alice = make_user("alice")
    for _ in range(20):
        make_delivery(make_task(alice))
    at_once(deliver_batch, times=2)

    ids = [mail["Message-ID"] for mail in mail_server.accepted]
    assert len(ids) == len(set(ids)) == 20
