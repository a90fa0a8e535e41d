"""The visit to the mail server while there is nothing to send."""

import pytest

from reminders.canary import MAIL
from reminders.delivering import deliver_batch
from reminders.models import Delivery
from taskapp.models import Task
from tests.factories import in_hours, make_delivery, make_task
from work import breaker
from work.models import Bell, Breaker

pytestmark = pytest.mark.django_db


def is_heard_of() -> bool:
    return Bell.objects.filter(name=MAIL, answered_at__gt=in_hours(-1 / 60)).exists()


def test_with_nothing_to_send_the_server_is_greeted_and_left(mail_server):
    deliver_batch()

    assert is_heard_of()
    assert mail_server.greeted == 1
    assert mail_server.left == 1
    assert mail_server.taken == []


def test_a_server_that_was_heard_of_lately_is_not_visited(mail_server):
    deliver_batch()

    deliver_batch()

    assert mail_server.greeted == 1


def test_an_accepted_message_is_as_good_as_a_visit(alice, mail_server):
    make_delivery(make_task(alice))
    deliver_batch()

    deliver_batch()

    assert is_heard_of()
    assert mail_server.greeted == 1


def test_a_server_that_cannot_be_reached_is_parked_by_the_visit_alone(settings, mail_server):
    settings.MAIL_SERVER = {**mail_server.settings, "port": 1}

    deliver_batch()

    assert breaker.is_open("email")
    assert not is_heard_of()
    assert "connecting" in Breaker.objects.get().reason


def test_the_visit_is_the_probe_when_nothing_waits(mail_server):
    Breaker.objects.create(name="email", failures=3, open_until=in_hours(-1))

    deliver_batch()

    assert is_heard_of()
    assert Breaker.objects.get().open_until is None


def test_the_visit_is_the_probe_when_what_waited_need_not_go_any_more(alice, mail_server):
    delivery = make_delivery(make_task(alice))
    Task.objects.update(status="done")
    Breaker.objects.create(name="email", failures=3, open_until=in_hours(-1))

    deliver_batch()

    delivery.refresh_from_db()
    assert delivery.status == "suppressed"
    assert Breaker.objects.get().open_until is None


def test_without_a_mail_server_the_visit_is_to_the_outbox(settings, outbox):
    deliver_batch()

    assert is_heard_of()


def test_an_outbox_that_cannot_be_written_is_found_by_the_visit(settings, tmp_path):
    settings.OUTBOX_DIR = tmp_path / "a file"
    settings.OUTBOX_DIR.write_text("in the way")

    deliver_batch()

    assert breaker.is_open("email")
    assert "outbox" in Breaker.objects.get().reason


def test_a_server_that_greets_and_breaks_off_every_message_is_parked_though_visits_go_well(alice, mail_server):
    mail_server.hang_up_on = {"alice@example.org"}
    make_delivery(make_task(alice))

    for _ in range(3):
        Delivery.objects.update(not_before=in_hours(-1))
        deliver_batch()
        Bell.objects.all().delete()
        deliver_batch()  # nothing is due, so it visits

    assert breaker.is_open("email")
    assert mail_server.left >= 1
