"""`/api/v1/me/`: who I am, and what I may change about it."""

import pytest
from rest_framework.test import APIClient

from accounts.models import Preference


def patch(api, user, **body):
    return api(user).patch("/api/v1/me/", body)


def test_it_says_who_one_is_before_anything_was_chosen(alice, api, settings):
    response = api(alice).get("/api/v1/me/")

    assert response.json() == {
        "id": alice.pk,
        "username": "alice",
        "email": alice.email,
        "first_name": "",
        "last_name": "",
        "is_staff": False,
        "email_enabled": True,
        "timezone": settings.TIME_ZONE,
        "language": "",
    }
    assert not Preference.objects.exists()


@pytest.mark.django_db
def test_a_stranger_is_401():
    assert APIClient().get("/api/v1/me/").status_code == 401


def test_preferences_and_name_are_ones_own_to_change(alice, bob, api):
    wish = {"email_enabled": False, "timezone": "Asia/Kathmandu", "first_name": "Alice", "last_name": "Ö"}

    response = patch(api, alice, **wish)

    assert response.status_code == 200
    assert {name: response.json()[name] for name in wish} == wish
    assert api(alice).get("/api/v1/me/").json() == response.json()
    assert api(bob).get("/api/v1/me/").json()["email_enabled"] is True


def test_what_is_left_out_stays(alice, api):
    patch(api, alice, email_enabled=False, first_name="Alice")

    response = patch(api, alice, timezone="Europe/Berlin")

    assert response.json()["email_enabled"] is False
    assert response.json()["first_name"] == "Alice"


def test_an_empty_zone_is_the_services_own(alice, api, settings):
    patch(api, alice, timezone="Europe/Berlin")

    assert patch(api, alice, timezone="").json()["timezone"] == settings.TIME_ZONE


def test_the_language_is_one_of_those_that_are_offered(alice, api, german):
    assert patch(api, alice, language="de").json()["language"] == "de"
    assert patch(api, alice, timezone="Europe/Berlin").json()["language"] == "de"
    assert patch(api, alice, language="").json()["language"] == ""


def test_a_language_that_is_not_offered_is_one_error_that_says_what_is(alice, api):
    response = patch(api, alice, language="de")

    assert response.status_code == 400
    assert response.json()["errors"] == [
        {
            "field": "language",
            "detail": "“de” is not a language that is offered; choose one of en.",
            "code": "language",
        }
    ]


def test_address_rank_and_username_are_not_ones_own_to_change(alice, api):
    response = patch(api, alice, email="other@example.org", is_staff=True, username="root", id=1)

    alice.refresh_from_db()
    assert response.status_code == 200
    assert (alice.username, alice.email, alice.is_staff) == ("alice", "alice@example.org", False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "Mars/Phobos"),
        ("timezone", "europe/berlin"),
        ("timezone", "localtime"),
        ("timezone", "../../etc/passwd"),
        ("timezone", "a" * 65),
        ("timezone", "UTC\0"),
        ("timezone", None),
        ("timezone", 0),
        ("language", "tlh"),
        ("language", "EN"),
        ("language", "en\0"),
        ("language", "e" * 21),
        ("language", None),
        ("language", 1),
        ("first_name", "a" * 151),
        ("first_name", "a\0b"),
        ("first_name", "a\nb"),
        ("last_name", "\x1b[31mred"),
        ("last_name", ["a"]),
        ("email_enabled", "yes"),
        ("email_enabled", 1),
        ("email_enabled", None),
        ("email_enabled", []),
    ],
)
def test_a_bad_value_is_400_and_names_the_field(alice, api, field, value):
    response = patch(api, alice, **{field: value})

    assert response.status_code == 400
    assert {error["field"] for error in response.json()["errors"]} == {field}
    assert not Preference.objects.exists()


@pytest.mark.parametrize("method", ["put", "post", "delete"])
def test_other_methods_are_405(alice, api, method):
    assert getattr(api(alice), method)("/api/v1/me/").status_code == 405
