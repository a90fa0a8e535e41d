"""A job speaks the language of its recipient, and says the same in the same language when it has to say it again."""

from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from django.utils import timezone, translation

from accounts.models import Preference
from accounts.services import update_profile
from reminders.channels.mime import describe_due
from reminders.delivering import deliver_batch
from reminders.models import Delivery
from reminders.sweep import send_due_soon
from tests.factories import make_attachment, make_delivery, make_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("german")]


def plain(mail: EmailMessage) -> str:
    return mail.get_body(("plain",)).get_content()


def page(mail: EmailMessage) -> str:
    return mail.get_body(("html",)).get_content()


def make_due_again() -> None:
    Delivery.objects.filter(status="queued").update(not_before=timezone.now())


def test_each_recipient_is_told_in_their_own_language(alice, bob, mail_server):
    Preference.objects.create(user=alice, language="de")
    due_at = datetime(2030, 5, 1, 8, tzinfo=UTC)
    for owner in [alice, bob]:
        make_delivery(make_task(owner, title="Rent", due_at=due_at, timezone="Europe/Berlin"))

    deliver_batch()

    mails = {mail["To"]: mail for mail in mail_server.accepted}
    german, english = mails["alice@example.org"], mails["bob@example.org"]
    assert german["Subject"] == "Fällig Mi 1. Mai 2030, 10:00 (Europe/Berlin): Rent"
    assert "Fällig: Mi 1. Mai 2030, 10:00 (Europe/Berlin)" in plain(german)
    assert '<html lang="de">' in page(german)
    assert "Aufgabe öffnen" in page(german)
    assert english["Subject"] == "Due Wed 1 May 2030, 10:00 (Europe/Berlin): Rent"
    assert '<html lang="en">' in page(english)
    assert translation.get_language() == "en"


def test_news_of_an_infected_file_is_in_the_recipients_language_too(alice, mail_server):
    Preference.objects.create(user=alice, language="de")
    make_attachment(make_task(alice, title="Taxes"), name="invoice.doc", state="infected", is_untold=True)

    send_due_soon()
    deliver_batch()

    (mail,) = [mail for mail in mail_server.accepted if "invoice.doc" in mail["Subject"]]
    assert mail["Subject"] == "In Quarantäne: invoice.doc, eine Datei von Taxes"


def test_a_repeat_after_an_unknown_outcome_keeps_its_language(alice, mail_server):
    Preference.objects.create(user=alice, language="de")
    delivery = make_delivery(make_task(alice))
    mail_server.hang_up_after_data = True
    deliver_batch()

    mail_server.hang_up_after_data = False
    update_profile(alice, language="en")
    make_due_again()
    deliver_batch()

    delivery.refresh_from_db()
    first, second = mail_server.taken
    assert (delivery.status, delivery.content["language"]) == ("sent", "de")
    assert first["Subject"].startswith("Fällig ")
    assert first["Subject"] == second["Subject"]
    assert plain(first) == plain(second)
    assert page(first) == page(second)


def test_a_choice_that_is_made_before_the_last_check_counts(alice, mail_server):
    make_delivery(make_task(alice))

    update_profile(alice, language="de")
    deliver_batch()

    (mail,) = mail_server.accepted
    assert mail["Subject"].startswith("Fällig ")


def test_content_that_was_frozen_before_there_were_languages_is_repeated_in_english(alice, mail_server):
    Preference.objects.create(user=alice, language="de")
    task = make_task(alice)
    content = {
        "title": "As it was", "description": "", "due_at": task.due_at.isoformat(), "all_day": False, "zone": "UTC",
    }  # fmt: skip
    make_delivery(
        task, unknown_outcome=True, content=content, address="alice@example.org", message_id="<1@tasks.example.org>"
    )

    deliver_batch()

    (mail,) = mail_server.accepted
    assert mail["Subject"].startswith("Due ")
    assert mail["Subject"].endswith("As it was")


def test_a_language_that_is_not_offered_any_more_is_english(alice, mail_server, settings):
    Preference.objects.create(user=alice, language="de")
    make_delivery(make_task(alice))
    settings.LANGUAGES = settings.LANGUAGES[:1]

    deliver_batch()

    (mail,) = mail_server.accepted
    assert mail["Subject"].startswith("Due ")


@pytest.mark.parametrize(
    ("language", "all_day", "words"),
    [
        ("en", False, "Sat 1 Mar 2031, 00:30 (Europe/Berlin)"),
        ("de", False, "Sa 1. März 2031, 00:30 (Europe/Berlin)"),
        ("de", True, "Sa 1. März 2031"),
    ],
)
def test_a_due_date_is_written_as_the_language_writes_it(language, all_day, words):
    with translation.override(language):
        due = describe_due(datetime(2031, 2, 28, 23, 30, tzinfo=UTC), zone="Europe/Berlin", all_day=all_day)

    assert due == words
