"""`/outbox/`: everybody sees the mail that was addressed to them; staff who may look at deliveries
see every reminder; superusers see it all."""

from email.message import EmailMessage
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.core.mail import send_mail

from reminders.channels.outbox import ACCOUNT_PREFIX, name_of, write
from reminders.delivering import deliver_batch
from reminders.models import Delivery
from reminders.outbox import may_see, read
from tests.factories import make_delivery, make_task, make_user


@pytest.fixture
def helper(db):
    """Staff who may look at deliveries, without being a superuser."""
    helper = make_user("helper", is_staff=True)
    helper.user_permissions.add(Permission.objects.get(codename="view_delivery"))
    return helper


def mail_to(user, outbox: Path, subject: str = "Due soon: rent", body: str = "Open http://testserver/tasks/1/") -> str:
    """A reminder that was sent to the user; the name of its file."""
    delivery = make_delivery(make_task(user))
    message_id = f"<{delivery.event_id}@localhost>"
    Delivery.objects.filter(pk=delivery.pk).update(status="sent", message_id=message_id, sent_at=delivery.created_at)
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, "Taskapp <reminders@localhost>", user.email
    mail["Date"], mail["Message-ID"] = "Sun, 01 Mar 2026 09:00:00 +0000", message_id
    mail.set_content(body)
    write(outbox, name_of(message_id), mail.as_bytes())
    return name_of(message_id)


def account_mail(user, outbox: Path, settings) -> str:
    settings.EMAIL_BACKEND = "reminders.channels.outbox.OutboxEmailBackend"
    send_mail("Password reset", "http://testserver/accounts/reset/secret/", None, [user.email])
    (path,) = outbox.glob(f"{ACCOUNT_PREFIX}*.eml")
    return path.name


def see(client, user, path: str = "/outbox/"):
    client.force_login(user)
    return client.get(path)


def test_a_person_sees_the_mail_that_was_addressed_to_them(alice, bob, client, outbox):
    name = mail_to(alice, outbox)

    listed, shown = see(client, alice), see(client, alice, f"/outbox/{name}")

    assert "Due soon: rent" in listed.text
    assert f'href="/outbox/{name}"' in listed.text
    assert shown.status_code == 200
    assert '<a href="http://testserver/tasks/1/"' in shown.text
    assert "Nothing here yet" in see(client, bob).text
    assert see(client, bob, f"/outbox/{name}").status_code == 404
    assert see(client, bob, f"/outbox/{name}?raw=1").status_code == 404


def test_staff_see_every_reminder_the_newest_first(alice, bob, helper, client, outbox):
    mail_to(alice, outbox, subject="first")
    mail_to(bob, outbox, subject="second")

    text = see(client, helper).text

    assert 0 < text.index("second") < text.index("first")


def test_staff_who_may_not_look_at_deliveries_see_their_own_alone(alice, client, outbox):
    name = mail_to(alice, outbox)
    clerk = make_user("clerk", is_staff=True)
    mail_to(clerk, outbox, subject="theirs")

    text = see(client, clerk).text

    assert "theirs" in text
    assert "Due soon: rent" not in text
    assert see(client, clerk, f"/outbox/{name}").status_code == 404


def test_mail_about_accounts_is_for_superusers_alone(alice, helper, staff, client, outbox, settings):
    name = account_mail(alice, outbox, settings)

    assert "Password reset" in see(client, staff).text
    assert "secret" in see(client, staff, f"/outbox/{name}").text
    for user in (alice, helper):
        assert "Password reset" not in see(client, user).text
        for path in (name, name.upper(), name.removesuffix(".eml"), f"{name}?raw=1"):
            assert see(client, user, f"/outbox/{path}").status_code == 404


def test_a_file_system_that_ignores_letter_case_gives_nothing_away(helper, staff):
    assert [may_see(helper, name) for name in ("account-1.eml", "Account-1.eml")] == [False, False]
    assert may_see(staff, "Account-1.eml")


@pytest.mark.parametrize("path", ["", "x.eml"])
def test_a_stranger_is_asked_to_sign_in(db, client, path):
    response = client.get(f"/outbox/{path}")

    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next=/outbox/{path}"


@pytest.mark.parametrize(
    "path",
    [
        "..%2f..%2fetc%2fpasswd",
        "..%2fsecret-key",
        "%2e%2e",
        "..",
        ".",
        "%252e%252e%252fsecret-key",
        "..%5csecret-key",
        "%2fetc%2fpasswd",
        "secret-key",
        "%00",
        "x%00.eml",
        "%ff.eml",
        "x" * 1000,
        ".hidden.eml.7",
        "none.eml",
    ],
)
def test_nothing_but_a_message_can_be_reached(alice, staff, client, outbox, path):
    mail_to(alice, outbox)
    (outbox.parent / "secret-key").write_text("secret")
    (outbox / "secret-key").write_text("secret")
    (outbox / ".hidden.eml.7").write_text("secret")

    for user in (alice, staff):
        for query in ("", "?raw=1"):
            response = see(client, user, f"/outbox/{path}{query}")

            assert response.status_code in {301, 302, 404}
            assert "secret" not in response.text


def test_nothing_in_a_message_runs_in_the_page(alice, client, outbox):
    evil = "<script>alert(1)</script> javascript:alert(1)"
    name = mail_to(alice, outbox, subject=evil, body=evil)

    for path in ("/outbox/", f"/outbox/{name}"):
        text = see(client, alice, path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text
        assert 'href="javascript' not in text


@pytest.mark.parametrize(
    "title",
    ["=?utf-8?q?=0D=0ABcc:_x?=", "می‌خواهم 👨‍👩‍👧", "two  between " * 9, "Ü" * 90, "x" * 200, "a\u00adb\u00a0c"],
)
def test_the_page_shows_a_title_and_an_address_as_they_were_typed(alice, client, settings, title):
    User.objects.filter(pk=alice.pk).update(email="älice@faß.de")
    settings.MAIL_SERVER = None
    delivery = make_delivery(make_task(alice, title=title))
    deliver_batch()
    delivery.refresh_from_db()

    mail = read(name_of(delivery.message_id))

    assert mail.subject.endswith(f": {title}")
    assert mail.to == "älice@xn--fa-hia.de"
    assert mail.text.startswith(title)
    assert "älice@xn--fa-hia.de" in see(client, alice).text


def test_the_message_as_it_was_written_is_a_download(alice, client, outbox):
    name = mail_to(alice, outbox, body="<script>alert(1)</script>")

    response = see(client, alice, f"/outbox/{name}?raw=1")

    assert response.content == (outbox / name).read_bytes()
    assert response["Content-Type"] == "message/rfc822"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]


def test_a_message_that_was_cleared_away_is_404_and_not_listed(alice, client, outbox):
    name = mail_to(alice, outbox)
    (outbox / name).unlink()

    assert "Nothing here yet" in see(client, alice).text
    assert see(client, alice, f"/outbox/{name}").status_code == 404


def test_an_outbox_that_was_never_written_is_empty(staff, client):
    assert "Nothing here yet" in see(client, staff).text


def test_the_page_is_for_reading(alice, client):
    client.force_login(alice)

    assert client.post("/outbox/").status_code == 405


def test_the_page_says_when_a_mail_server_is_set(alice, client, settings):
    assert "No mail server is set" in see(client, alice).text
    settings.MAIL_SERVER = {"host": "mail"}
    assert "Mail goes to the mail server" in see(client, alice).text
