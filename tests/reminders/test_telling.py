"""The owner of an infected file is told, once, by a delivery like any other."""

import pytest

from attachments.models import Attachment
from attachments.services import release_attachment, rescan_attachment
from reminders import canary
from reminders.delivering import deliver_batch
from reminders.models import Delivery
from reminders.sweep import send_due_soon
from reminders.wake import seconds_until_work
from taskapp.models import Task
from taskapp.services import delete_task, restore_task
from tests.factories import make_task, upload_file
from work import bell
from work.step import clock, noted

pytestmark = pytest.mark.django_db

FOUND = "Win.Test.EICAR_HDB-1"


@pytest.fixture
def infected(alice, settings, tmp_path) -> Attachment:
    """As a scan leaves it."""
    settings.UPLOAD_DIR = tmp_path / "uploads"
    attachment = upload_file(make_task(alice, title="Taxes", due_in_hours=None), name="invoice.doc")
    Attachment.objects.update(state="infected", is_untold=True, reason=FOUND, history=noted("infected", reason=FOUND))
    return attachment


def test_the_owner_is_told_what_was_found_in_which_file(infected, mail_server):
    counts = send_due_soon()
    deliver_batch()

    assert counts["told"] == 1
    (mail,) = mail_server.accepted
    text = mail.get_body(("plain",)).get_content()
    assert mail["To"] == "alice@example.org"
    assert mail["Subject"] == "Quarantined: invoice.doc, a file of Taxes"
    assert FOUND in text
    assert f"/tasks/{infected.task_id}/" in text
    assert FOUND in mail.get_body(("html",)).get_content()
    assert "owner told" in [entry["step"] for entry in Attachment.objects.get().history]


def test_nobody_is_told_twice(infected, mail_server):
    for _ in range(3):
        send_due_soon()
        deliver_batch()
    Attachment.objects.update(is_untold=True)
    send_due_soon()
    deliver_batch()

    assert len(mail_server.accepted) == 1
    assert Delivery.objects.get().status == "sent"


def test_who_was_not_told_because_of_another_scan_is_told_of_what_that_finds(infected, staff, mail_server):
    send_due_soon()
    rescan_attachment(infected, by=staff, as_administrator=True)
    deliver_batch()
    assert Delivery.objects.get().status == "suppressed"

    Attachment.objects.update(state="infected", is_untold=True, reason=FOUND)
    send_due_soon()
    deliver_batch()

    assert len(mail_server.accepted) == 1
    assert Delivery.objects.get().status == "sent"


def test_beat_rings_while_somebody_is_untold(infected, broker, mail_server):
    send_due_soon()
    deliver_batch()
    bell.answer(canary.MAIL)
    assert seconds_until_work() > 0
    Attachment.objects.update(is_untold=True)
    assert seconds_until_work() <= 0

    send_due_soon()

    assert seconds_until_work() > 0


def test_what_was_released_before_the_message_went_is_not_announced(infected, staff, mail_server):
    send_due_soon()
    release_attachment(infected, by=staff, reason="the scanner is mistaken")

    deliver_batch()

    assert mail_server.accepted == []
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.reason) == ("suppressed", "the file is not quarantined any more")


@pytest.mark.parametrize("change", ["the file was deleted", "the task was deleted"])
def test_what_was_deleted_before_the_message_went_is_not_announced(infected, mail_server, change):
    send_due_soon()
    if change == "the file was deleted":
        Attachment.objects.update(deleted_at=clock())
    else:
        delete_task(infected.task)

    deliver_batch()

    assert mail_server.accepted == []
    assert Delivery.objects.get().reason == change


def test_a_task_that_is_done_or_has_no_due_date_is_no_reason_not_to_tell(infected, mail_server):
    infected.task.status = "done"
    infected.task.save()

    send_due_soon()
    deliver_batch()

    assert len(mail_server.accepted) == 1


def test_a_task_that_was_given_away_is_told_to_its_new_owner(infected, bob, mail_server):
    send_due_soon()
    infected.task.owner = bob
    infected.task.save()

    deliver_batch()
    deliver_batch()

    assert [mail["To"] for mail in mail_server.accepted] == ["bob@example.org"]


def test_a_task_that_is_restored_is_told_of_what_was_suppressed_while_it_was_deleted(infected, mail_server):
    send_due_soon()
    delete_task(infected.task)
    deliver_batch()
    assert mail_server.accepted == []

    restore_task(infected.task)
    send_due_soon()
    deliver_batch()

    assert len(mail_server.accepted) == 1


def test_a_task_that_comes_back_to_its_owner_tells_them(infected, alice, bob, mail_server):
    send_due_soon()
    for owner in (bob, alice):
        Task.objects.update(owner=owner)
        if owner == bob:
            deliver_batch()
    send_due_soon()
    deliver_batch()

    assert [mail["To"] for mail in mail_server.accepted] == ["alice@example.org"]
    assert Attachment.objects.owned_by(alice).exists()
    assert not Attachment.objects.owned_by(bob).exists()


def test_who_was_told_is_not_told_again_when_the_task_is_restored(infected, mail_server):
    send_due_soon()
    deliver_batch()
    delete_task(infected.task)
    restore_task(infected.task)

    send_due_soon()
    deliver_batch()

    assert len(mail_server.accepted) == 1


def test_the_delivery_is_shown_with_its_file_and_its_task(infected, alice, api, mail_server):
    send_due_soon()
    deliver_batch()

    (shown,) = api(alice).get(f"/api/v1/deliveries/?task={infected.task_id}").json()["results"]

    assert (shown["reminder"], shown["attachment"], shown["task"]) == (None, infected.pk, infected.task_id)
    assert [entry["step"] for entry in shown["history"]] == ["queued", "claimed", "sent"]


def test_the_admin_lists_it(infected, staff, client, mail_server):
    send_due_soon()
    client.force_login(staff)

    page = client.get("/admin/reminders/delivery/")
    own = client.get(f"/admin/reminders/delivery/{Delivery.objects.get().pk}/change/")

    assert "Taxes" in page.content.decode()
    assert "invoice.doc" in own.content.decode()
