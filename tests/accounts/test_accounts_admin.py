"""Tokens and preferences in the admin."""

import pytest

from accounts.models import Preference, Token
from accounts.services import create_token


@pytest.fixture
def admin(staff, client):
    client.force_login(staff)
    return client


def test_tokens_are_listed_and_searched_without_their_digests(alice, admin):
    token, _ = create_token(alice, name="laptop")

    listed = admin.get("/admin/accounts/token/", {"q": "alice"}).text
    shown = admin.get(f"/admin/accounts/token/{token.pk}/change/").text

    for text in [listed, shown]:
        assert token.prefix in text
        assert token.digest not in text


def test_a_token_can_be_revoked_but_neither_made_nor_changed(alice, admin):
    token, _ = create_token(alice, name="laptop")

    assert admin.get("/admin/accounts/token/add/").status_code == 403
    assert admin.post(f"/admin/accounts/token/{token.pk}/change/", {"name": "x"}).status_code == 403
    admin.post(f"/admin/accounts/token/{token.pk}/delete/", {"post": "yes"})

    assert not Token.objects.exists()


def test_the_language_is_chosen_where_there_is_a_choice(alice, admin, german, settings):
    path = f"/admin/auth/user/{alice.pk}/change/"

    with_choice = admin.get(path).text
    settings.LANGUAGES = settings.LANGUAGES[:1]
    without = admin.get(path).text

    assert '<option value="de">Deutsch</option>' in with_choice
    assert "preference-0-language" not in without


def test_the_list_costs_the_same_for_many_tokens(alice, admin, django_assert_max_num_queries):
    for _ in range(20):
        create_token(alice)

    with django_assert_max_num_queries(6):
        admin.get("/admin/accounts/token/")


def person_form(user, **preference):
    return {
        "username": user.username, "email": user.email, "is_active": "on",
        "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00",
        "preference-TOTAL_FORMS": "1", "preference-INITIAL_FORMS": "0",
        "preference-0-user": user.pk, "preference-0-id": "",
        **{f"preference-0-{name}": value for name, value in preference.items()},
    }  # fmt: skip


def test_preferences_are_edited_beside_the_person(alice, admin):
    path = f"/admin/auth/user/{alice.pk}/change/"
    assert "reminders by e-mail" in admin.get(path).text.lower()

    response = admin.post(path, person_form(alice, timezone="Europe/Berlin"))

    assert response.status_code == 302
    preference = Preference.objects.get()
    assert (preference.user, preference.timezone, preference.email_enabled) == (alice, "Europe/Berlin", False)


def test_saving_a_person_untouched_chooses_nothing_for_them(alice, admin):
    admin.post(f"/admin/auth/user/{alice.pk}/change/", person_form(alice, timezone="", email_enabled="on"))

    assert not Preference.objects.exists()


def test_an_unknown_zone_is_refused(alice, admin):
    response = admin.post(f"/admin/auth/user/{alice.pk}/change/", person_form(alice, timezone="Mars/Phobos"))

    assert response.status_code == 200
    assert "is not a time zone" in response.text


def test_a_person_can_be_added(admin, django_user_model):
    passwords = {"password1": "staple battery horse", "password2": "staple battery horse"}

    response = admin.post("/admin/auth/user/add/", {"username": "carol", "usable_password": "true", **passwords})

    assert response.status_code == 302
    assert django_user_model.objects.filter(username="carol").exists()
