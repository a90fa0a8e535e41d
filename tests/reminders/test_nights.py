"""A night on which the mail server was out of order: when it is over, nobody waits any longer than for the next probe.

Reminders for forty people came due, and of half of them an attempt was made, so that they wait. The night is made by
moving the instants of rows.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone

from reminders.delivering import deliver_batch
from reminders.models import Delivery
from tests.factories import make_delivery, make_task
from tests.mail_server import MailServer
from work.models import Breaker

pytestmark = pytest.mark.django_db

PEOPLE, EACH, TRIED = 40, 4, 80
A_LITTLE_UNDER_A_MINUTE = timedelta(seconds=41)


def refuses(server: MailServer, settings, people: list[User]) -> None:
    settings.MAIL_SERVER = {**server.settings, "port": 1}


def answers_later(server: MailServer, settings, people: list[User]) -> None:
    server.answers["RCPT"] = "451 4.3.0 not now"


def relays_for_nobody(server: MailServer, settings, people: list[User]) -> None:
    server.answers["RCPT"] = "554 5.7.1 Relay access denied"


def knows_nobody(server: MailServer, settings, people: list[User]) -> None:
    server.answers["RCPT"] = "550 5.1.1 no such user"


def hangs_up_on_everybody(server: MailServer, settings, people: list[User]) -> None:
    server.hang_up_on = {person.email for person in people}


def heal(server: MailServer, settings) -> None:
    settings.MAIL_SERVER = server.settings
    server.answers.clear()
    server.hang_up_on = set()


@pytest.mark.parametrize(
    "fails", [refuses, answers_later, relays_for_nobody, knows_nobody, hangs_up_on_everybody], ids=lambda f: f.__name__
)
def test_after_a_night_everything_goes_with_the_next_probe(mail_server, settings, fails: Callable[..., None]):
    people = [User.objects.create(username=f"p{n}", email=f"p{n}@example.org") for n in range(PEOPLE)]
    for person in people:
        for _ in range(EACH):
            make_delivery(make_task(person))
    fails(mail_server, settings, people)
    for _ in range(60):
        deliver_batch()
        an_hour_passes()
    make_half_of_them_wait()
    assert mail_server.accepted == []
    assert Breaker.objects.get().open_until < timezone.now() + A_LITTLE_UNDER_A_MINUTE

    heal(mail_server, settings)
    Breaker.objects.update(open_until=timezone.now())
    deliver_batch()

    assert len(mail_server.accepted) == 1
    assert Breaker.objects.get().open_until is None
    assert not Delivery.objects.filter(not_before__gt=timezone.now()).exists()
    while not all_are_told():
        assert deliver_batch()["sent"]
    assert len(mail_server.accepted) == PEOPLE * EACH


def an_hour_passes() -> None:
    hour = timedelta(hours=1)
    Delivery.objects.update(not_before=F("not_before") - hour, handed_over_at=F("handed_over_at") - hour)
    Breaker.objects.update(open_until=F("open_until") - hour, accepted_at=F("accepted_at") - hour)


def make_half_of_them_wait() -> None:
    """As an attempt that was answered "not now" late at night does."""
    tried = Delivery.objects.filter(status="queued").order_by("-attempts", "pk").values("pk")[:TRIED]
    now = timezone.now()
    Delivery.objects.filter(pk__in=tried).update(
        not_before=now + timedelta(hours=1), attempts=F("attempts") + 1, handed_over_at=now
    )
    Breaker.objects.update(open_until=now + timedelta(seconds=40))


def all_are_told() -> bool:
    return not Delivery.objects.exclude(status="sent").exists()
