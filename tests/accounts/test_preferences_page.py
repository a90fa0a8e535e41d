"""`/accounts/preferences/`: mail, zone and name; tokens made and revoked."""

import re

import pytest

from accounts.models import Preference, Token
from accounts.services import create_token, find_token


@pytest.fixture
def page(alice, client):
    client.force_login(alice)
    return client


def save(client, **fields):
    wish = {"first_name": "Alice", "last_name": "", "timezone": "Asia/Tokyo", "email_enabled": "on", **fields}
    return client.post("/accounts/preferences/", {name: value for name, value in wish.items() if value is not None})


def test_it_shows_what_is_chosen(alice, page):
    Preference.objects.create(user=alice, timezone="Asia/Tokyo", email_enabled=False)

    text = page.get("/accounts/preferences/").text

    assert re.search(r'<option value="Asia/Tokyo" selected>', text)
    assert not re.search(r'name="email_enabled"[^>]*checked', text)


def test_what_is_sent_is_saved(alice, page):
    response = save(page, email_enabled=None)

    alice.refresh_from_db()
    assert response.status_code == 302
    assert alice.first_name == "Alice"
    assert alice.preference.timezone == "Asia/Tokyo"
    assert alice.preference.email_enabled is False


def test_there_is_nothing_to_choose_where_one_language_is_offered(alice, page):
    assert 'name="language"' not in page.get("/accounts/preferences/").text

    save(page, language="de")

    assert alice.preference.language == ""


def test_a_language_is_chosen_under_its_own_name(alice, page, german):
    before = page.get("/accounts/preferences/").text

    response = save(page, language="de")

    assert '<option value="de">Deutsch</option>' in before
    assert response.status_code == 302
    assert alice.preference.language == "de"
    assert '<option value="de" selected>' in page.get("/accounts/preferences/").text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "Mars/Phobos"),
        ("first_name", "a" * 151),
        ("first_name", "a\0b"),
        ("last_name", "\x1b[2J"),
    ],
)
def test_a_bad_value_is_shown_beside_its_field(page, field, value):
    response = save(page, **{field: value})

    assert response.status_code == 200
    assert set(response.context["form"].errors) == {field}
    assert not Preference.objects.exists()


def test_a_token_is_shown_once_and_kept_by_nobody(alice, page):
    response = page.post("/accounts/tokens/", {"name": "laptop"})

    text = re.search(r"tk_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}", response.text)[0]
    assert find_token(text).user == alice
    assert "no-store" in response["Cache-Control"]
    again = page.get("/accounts/preferences/").text
    assert "laptop" in again
    assert text not in again


def test_a_bad_name_makes_no_token(page):
    response = page.post("/accounts/tokens/", {"name": "a" * 101})

    assert set(response.context["token_form"].errors) == {"name"}
    assert not Token.objects.exists()


def test_ones_own_token_can_be_revoked(alice, page):
    token, text = create_token(alice)

    page.post(f"/accounts/tokens/{token.pk}/revoke/")

    assert find_token(text) is None


def test_somebody_elses_token_is_neither_shown_nor_revoked(bob, page):
    token, _ = create_token(bob, name="the token of bob")

    assert "the token of bob" not in page.get("/accounts/preferences/").text
    assert page.post(f"/accounts/tokens/{token.pk}/revoke/").status_code == 404
    assert Token.objects.filter(pk=token.pk).exists()


def test_links_change_nothing(alice, page):
    token, _ = create_token(alice)

    assert page.get("/accounts/tokens/").status_code == 405
    assert page.get(f"/accounts/tokens/{token.pk}/revoke/").status_code == 405


def test_names_are_shown_as_text(alice, page):
    create_token(alice, name="<script>alert(1)</script>")

    assert "<script>" not in page.get("/accounts/preferences/").text


@pytest.mark.parametrize("path", ["/accounts/preferences/", "/accounts/tokens/", "/accounts/tokens/1/revoke/"])
@pytest.mark.django_db
def test_a_stranger_is_asked_to_sign_in(client, path):
    response = client.post(path)

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")
