"""Addresses where they are entered: what mail cannot be sent to is refused, and all else kept as it was written."""

import pytest
from django.core.management import CommandError, call_command

from accounts.validators import validate_address
from tests.accounts.test_accounts_admin import person_form
from tests.factories import make_user

GOOD = ["alice@example.org", "alice@bücher.example", "alice@faß.de", "älice@example.org", "用户@例え.テスト"]
BAD = ["alice", "alice@i❤.ws", "alice@a..b", "=?utf-8?q?x?=@example.org", "alice@nowhere", "al ice@example.org"]


def in_the_admin(staff, client, user, address: str):
    client.force_login(staff)
    path = f"/admin/auth/user/{user.pk}/change/"
    return client.post(path, {**person_form(user, timezone="", email_enabled="on"), "email": address})


@pytest.mark.parametrize("address", [*GOOD, ""])
def test_the_admin_takes_what_mail_can_be_sent_to(alice, staff, client, address):
    response = in_the_admin(staff, client, alice, address)

    assert response.status_code == 302
    alice.refresh_from_db()
    assert alice.email == address


@pytest.mark.parametrize("address", BAD)
def test_the_admin_refuses_another_with_one_sentence(alice, staff, client, address):
    response = in_the_admin(staff, client, alice, address)

    assert response.status_code == 200
    assert len(response.context["errors"]) == 1
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"


@pytest.mark.django_db
def test_so_does_createsuperuser(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "staple battery horse")

    with pytest.raises(CommandError, match="Mail cannot be sent to “a@i❤"):
        call_command("createsuperuser", interactive=False, username="carol", email="a@i❤.ws")
    call_command("createsuperuser", interactive=False, username="carol", email="cärol@faß.de", verbosity=0)


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("alice@bücher.example", "alice@bücher.example"),
        ("alice@bücher.example", "alice@xn--bcher-kva.example"),
        ("alice@xn--bcher-kva.example", "alice@bücher.example"),
        ("alice@bücher.example", "ALICE@BÜCHER.example"),
        ("älice@example.org", "älice@example.org"),
    ],
)
@pytest.mark.django_db
def test_a_reset_finds_each_spelling_of_an_address(client, mailoutbox, stored, typed):
    make_user("alice", email=stored)

    client.post("/accounts/password_reset/", {"email": typed})

    assert [mail.to for mail in mailoutbox] == [[stored]]


@pytest.mark.parametrize("typed", ["alice@fass.de", "alice@i❤.ws", "nobody", "alice@example.org\r\nBcc: x@evil.test"])
@pytest.mark.django_db
def test_a_reset_goes_to_no_similar_address(client, mailoutbox, typed):
    make_user("alice", email="alice@faß.de")

    client.post("/accounts/password_reset/", {"email": typed})

    assert mailoutbox == []


@pytest.mark.parametrize("address", GOOD)
def test_an_address_with_a_domain_is_fine(address):
    validate_address(address)
