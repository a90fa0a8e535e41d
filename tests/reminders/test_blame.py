"""Whom a failure counts against: the recipient, the message, or the way there; and how often an unknown outcome."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from reminders import health
from reminders.delivering import deliver_batch, turn
from reminders.models import Delivery
from reminders.services import retry_deliveries
from reminders.sweep import BELL, rescue_lost_deliveries
from tests.factories import in_hours, make_delivery, make_task, make_user
from work import bell
from work.breaker import REFUSALS
from work.models import Breaker

pytestmark = pytest.mark.django_db

RELAY_DENIED = "554 5.7.1 <a@example.org>: Relay access denied"
NOBODY = "550 5.1.1 no such user"


def people(number: int) -> list[User]:
    return [make_user(f"person{n}") for n in range(number)]


def let_time_pass() -> None:
    """Until every wait is over, that of the circuit, too."""
    Delivery.objects.filter(status="queued").update(not_before=timezone.now())
    Breaker.objects.exclude(open_until=None).update(open_until=timezone.now() - timedelta(seconds=1))


def states() -> set[tuple[str, int]]:
    return set(Delivery.objects.values_list("status", "attempts"))


def is_red() -> bool:
    bell.answer(BELL)  # the workers are well
    return bool(health.mail())


@pytest.mark.parametrize(
    "answer",
    [
        "504 5.5.2 <host>: Helo command rejected: need fully-qualified hostname",
        "554 5.7.1 <a@example.org>: Relay access denied",
        "530 5.7.0 Authentication required",
        "550 5.7.1 Client host rejected: cannot find your hostname",
        "450 4.7.1 Client host rejected: cannot find your reverse hostname",
        "550 5.7.26 unauthenticated sender",
        "550 5.1.8 <us@example.org>: Sender address rejected: Domain not found",
        "452 4.3.1 Insufficient system storage",
        # What no table knows:
        "550 computer says no",
        "554 5.7.1 policy violation",
        "451 4.7.1 try again later",
    ],
)
def test_a_server_that_refuses_everybody_fails_nobody_and_is_named(mail_server, answer):
    mail_server.answers["RCPT"] = answer
    for person in people(6):
        make_delivery(make_task(person))

    for _ in range(6):
        deliver_batch()
        let_time_pass()

    assert not Delivery.objects.filter(status="failed").exists()
    assert Delivery.objects.filter(attempts__gt=1).count() == 0
    assert is_red()
    assert mail_server.accepted == []

    mail_server.answers.clear()
    for _ in range(3):
        let_time_pass()
        deliver_batch()

    assert states() <= {("sent", 0), ("sent", 1)}
    assert len(mail_server.accepted) == 6
    assert not is_red()


def test_a_refusal_of_us_costs_no_attempt(mail_server, alice):
    """One person alone is no row of recipients."""
    mail_server.answers["RCPT"] = RELAY_DENIED
    make_delivery(make_task(alice))

    for _ in range(3):
        deliver_batch()
        let_time_pass()

    assert states() == {("queued", 0)}
    assert is_red()


def test_recipients_who_are_refused_while_others_get_through_fail_at_once_and_nobody_is_named(mail_server):
    wrong, right = people(12)[:6], make_user("right")
    for person in wrong:
        mail_server.answers[person.email] = NOBODY
        make_delivery(make_task(person))
        deliver_batch()
        make_delivery(make_task(right))
        deliver_batch()
        assert not is_red()

    assert Delivery.objects.filter(status="failed").count() == 6
    assert Delivery.objects.filter(status="sent").count() == 6


def test_greylisting_of_strangers_stops_nobody_else(mail_server, alice):
    strangers = people(2 * REFUSALS)
    for person in strangers:
        mail_server.answers[person.email] = "450 4.2.0 Greylisted, please come back later"
        make_delivery(make_task(person))
    deliver_batch()
    make_delivery(make_task(alice))

    deliver_batch()

    assert len(mail_server.accepted) == 1
    assert not is_red()


def test_a_batch_ends_with_the_refusal_that_opens_the_circuit(mail_server):
    mail_server.answers["RCPT"] = "550 computer says no"
    for person in people(10):
        make_delivery(make_task(person))

    counts = deliver_batch()

    assert counts["handed back"] == 10 - REFUSALS


def test_a_server_that_allows_fewer_connections_costs_nobody_an_attempt(mail_server, alice, bob):
    mail_server.answers[alice.email] = "432 4.3.2 sender thread limit exceeded"
    limited = make_delivery(make_task(alice))
    for _ in range(4):
        make_delivery(make_task(bob))
        let_time_pass()
        deliver_batch()

    limited.refresh_from_db()
    assert (limited.status, limited.attempts) == ("queued", 0)


def test_many_messages_for_one_wrong_recipient_open_nothing(mail_server, alice):
    mail_server.answers[alice.email] = NOBODY
    for _ in range(2 * REFUSALS):
        make_delivery(make_task(alice))

    deliver_batch()

    assert states() == {("failed", 1)}
    assert not is_red()


def test_some_who_are_wrong_in_a_row_fail_once_another_was_accepted(mail_server, alice):
    """Three wrong ones in a row look like a server that refuses everybody, until somebody else is accepted."""
    for person in people(REFUSALS):
        mail_server.answers[person.email] = NOBODY
        make_delivery(make_task(person))
    deliver_batch()
    assert is_red()

    make_delivery(make_task(alice))
    for _ in range(2 * REFUSALS):
        let_time_pass()
        deliver_batch()

    assert Delivery.objects.filter(status="failed").count() == REFUSALS
    assert not is_red()


def test_a_poisonous_recipient_does_not_make_health_flap(mail_server, alice, bob):
    mail_server.hang_up_on = {alice.email}
    poison = make_delivery(make_task(alice))
    seen = set()
    for _ in range(12):
        make_delivery(make_task(bob))
        let_time_pass()
        deliver_batch()
        seen.add(is_red())

    poison.refresh_from_db()
    assert seen == {False}
    assert (poison.status, poison.attempts) == ("failed", 10)
    assert Delivery.objects.filter(status="sent").count() == 12


def test_a_message_on_which_the_server_stalls_and_hangs_up_is_blamed_for_it(mail_server, alice, bob, settings):
    """Others are accepted just after the connection broke, within the same second."""
    settings.DELIVERY_MAX_ATTEMPTS = 3
    mail_server.hang_up_on = {alice.email}
    poison = make_delivery(make_task(alice))
    attempts = []
    for _ in range(4):
        make_delivery(make_task(bob))
        let_time_pass()
        deliver_batch()
        poison.refresh_from_db()
        attempts.append(poison.attempts)

    assert attempts == [0, 1, 2, 3]
    assert poison.status == "failed"


def test_waits_of_single_messages_end_with_the_outage(mail_server):
    everybody = people(8)
    mail_server.hang_up_on = {person.email for person in everybody}
    for person in everybody:
        make_delivery(make_task(person))
    for _ in range(10):
        deliver_batch()
        let_time_pass()
    assert is_red()

    mail_server.hang_up_on = set()
    deliver_batch()
    deliver_batch()  # without waiting for anything

    assert states() == {("sent", 0)}
    assert not is_red()


def test_a_probe_that_finds_nothing_to_carry_closes_the_circuit(mail_server):
    Breaker.objects.create(name="email", failures=3, open_until=in_hours(-1), while_carrying=True)

    deliver_batch()

    assert not is_red()


def test_a_probe_that_can_carry_nothing_yet_leaves_the_next_to_be_soon(mail_server, alice):
    make_delivery(make_task(alice), not_before=in_hours(1 / 120))
    Breaker.objects.create(name="email", failures=9, open_until=in_hours(-1), while_carrying=True)

    deliver_batch()

    assert is_red()
    assert (Breaker.objects.get().open_until - timezone.now()).total_seconds() < 6


def unknown(number: int, mail_server) -> None:
    mail_server.hang_up_after_data = True
    for _ in range(number):
        let_time_pass()
        deliver_batch()
    mail_server.hang_up_after_data = False


def test_unknown_outcomes_are_spread_over_a_day(mail_server, alice):
    delivery = make_delivery(make_task(alice))
    waits = []
    for _ in range(5):
        unknown(1, mail_server)
        delivery.refresh_from_db()
        waits.append(round((delivery.not_before - timezone.now()).total_seconds() / 60))

    assert waits == [1, 10, 60, 240, 720]
    assert (delivery.status, delivery.unknown_outcomes, delivery.attempts) == ("queued", 5, 0)


def test_the_last_unknown_outcome_ends_it(mail_server, alice):
    delivery = make_delivery(make_task(alice))

    unknown(7, mail_server)

    delivery.refresh_from_db()
    assert (delivery.status, delivery.unknown_outcomes) == ("failed", 6)
    assert delivery.reason.startswith("may have arrived; not repeated any more")
    assert len(mail_server.taken) == 6
    assert len({mail["Message-ID"] for mail in mail_server.taken}) == 1


def test_a_persons_retry_begins_the_count_anew(mail_server, alice, staff):
    delivery = make_delivery(make_task(alice))
    unknown(7, mail_server)

    retry_deliveries(Delivery.objects.all(), by=staff)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.unknown_outcomes, delivery.unknown_outcome) == ("queued", 0, True)
    deliver_batch()

    delivery.refresh_from_db()
    assert delivery.status == "sent"
    assert mail_server.accepted[0]["Message-ID"] == mail_server.taken[0]["Message-ID"]


def lose(delivery: Delivery) -> None:
    """The worker dies while the message is on its way."""
    Delivery.objects.filter(pk=delivery.pk).update(
        status="leased", lease_token="6b8a9c7e-3f1d-4c0e-9d55-0d7f2f1f0a11", lease_until=in_hours(-1),
        handing_over=True, handed_over_at=in_hours(-2),
    )  # fmt: skip
    rescue_lost_deliveries()
    delivery.refresh_from_db()


def test_a_lost_worker_counts_like_a_lost_answer(alice):
    delivery = make_delivery(make_task(alice))
    waits = []
    for _ in range(5):
        lose(delivery)
        waits.append(round((delivery.not_before - timezone.now()).total_seconds() / 60))

    assert waits == [1, 10, 60, 240, 720]
    assert (delivery.status, delivery.unknown_outcomes, delivery.unknown_outcome) == ("queued", 5, True)
    lose(delivery)
    assert (delivery.status, delivery.reason) == ("failed", "may have arrived; not repeated any more")


def test_the_wait_after_an_unknown_outcome_outlasts_a_sweep_and_no_clock_that_was_set_back(alice, mail_server):
    delivery = make_delivery(make_task(alice))
    unknown(5, mail_server)

    rescue_lost_deliveries()
    delivery.refresh_from_db()
    assert delivery.not_before > in_hours(11)

    Delivery.objects.update(not_before=in_hours(13))
    rescue_lost_deliveries()
    delivery.refresh_from_db()
    assert delivery.not_before <= timezone.now()


def test_a_probe_is_rather_a_message_that_has_not_arrived_for_certain(mail_server, alice, bob):
    may_have_arrived, fresh = make_delivery(make_task(alice)), make_delivery(make_task(bob))
    Delivery.objects.filter(pk=may_have_arrived.pk).update(unknown_outcome=True, unknown_outcomes=1)
    Delivery.objects.filter(pk=fresh.pk).update(not_before=timezone.now())
    Breaker.objects.create(name="email", failures=3, open_until=in_hours(-1))
    turn.after = bob.pk  # it would be alice's turn

    deliver_batch()

    fresh.refresh_from_db()
    may_have_arrived.refresh_from_db()
    assert (fresh.status, may_have_arrived.status) == ("sent", "queued")


def test_a_probe_takes_what_may_have_arrived_where_there_is_nothing_else(mail_server, alice):
    delivery = make_delivery(make_task(alice))
    unknown(1, mail_server)
    Breaker.objects.update(failures=3, open_until=in_hours(-1))

    let_time_pass()
    deliver_batch()

    delivery.refresh_from_db()
    assert delivery.status == "sent"
