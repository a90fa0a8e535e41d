"""`/api/v1/tokens/`: a name and a password for a token; one's own tokens, without their secrets."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Token
from accounts.services import create_token

PASSWORD = "correct horse battery"


def post(**body):
    return APIClient().post("/api/v1/tokens/", {"username": "alice", "password": PASSWORD, **body})


def named_fields(response):
    return {error["field"] for error in response.json()["errors"]}


def test_name_and_password_make_a_token_that_works(alice):
    response = post(name="laptop")

    made = response.json()
    assert response.status_code == 201
    assert set(made) == {"token", "id", "name", "created_at", "expires_at"}
    assert made["name"] == "laptop"
    assert made["expires_at"] is None
    assert response["Location"].endswith(f"/api/v1/tokens/{made['id']}/")
    assert response["Cache-Control"] == "no-store"
    me = APIClient().get("/api/v1/me/", HTTP_AUTHORIZATION=f"Bearer {made['token']}")
    assert me.json()["username"] == "alice"


def test_a_token_can_be_given_an_end(alice):
    response = post(expires_at=(timezone.now() + timedelta(days=1)).isoformat())

    assert response.status_code == 201
    assert Token.objects.get().expires_at > timezone.now() + timedelta(hours=23)


@pytest.mark.parametrize("name", ["alice", " alice ", "\uff41lice"])
def test_the_name_is_read_as_on_the_sign_in_page(alice, name):
    assert post(username=name).status_code == 201


@pytest.mark.parametrize(
    "credentials",
    [
        {"password": "wrong"},
        {"password": PASSWORD + " "},
        {"username": "Alice"},
        {"username": "nobody"},
        {"username": "nobody", "password": "\x01"},
    ],
)
def test_wrong_credentials_are_401_and_do_not_say_which(alice, credentials):
    response = post(**credentials)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.json()["detail"] == "There is no active user with this username and password."
    assert not Token.objects.exists()


def test_a_deactivated_person_gets_no_token(alice):
    alice.is_active = False
    alice.save()

    assert post().status_code == 401


@pytest.mark.parametrize("authorization", ["Bearer expired", "Bearer", "Basic \xff"])
def test_a_broken_header_does_not_keep_one_from_a_new_token(alice, authorization):
    client = APIClient()

    response = client.post(
        "/api/v1/tokens/", {"username": "alice", "password": PASSWORD}, HTTP_AUTHORIZATION=authorization
    )

    assert response.status_code == 201


def test_a_session_without_csrf_token_does_not_keep_one_from_a_token(alice):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(alice)

    assert client.post("/api/v1/tokens/", {"username": "alice", "password": PASSWORD}).status_code == 201


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", ""),
        ("username", None),
        ("username", 5),
        ("username", []),
        ("username", "a" * 151),
        ("username", "ali\0ce"),
        ("username", "ali\nce"),
        ("password", ""),
        ("password", None),
        ("password", True),
        ("password", {}),
        ("password", "a" * 4097),
        ("password", "a\0b"),
        ("name", "a" * 101),
        ("name", "a\0b"),
        ("name", "a\u2028b"),
        ("name", None),
        ("expires_at", "tomorrow"),
        ("expires_at", 1_800_000_000),
        ("expires_at", "2100-01-01T00:00:00"),  # no offset
        ("expires_at", "2020-01-01T00:00:00Z"),  # past
        ("expires_at", "9999-12-31T23:59:59-12:00"),
        ("expires_at", "9999-12-31T00:00:00Z"),
        ("expires_at", "0001-01-01T00:00:00+12:00"),
    ],
)
def test_a_bad_value_is_400_and_names_the_field(alice, field, value):
    response = post(**{field: value})

    assert response.status_code == 400
    assert named_fields(response) == {field}
    assert not Token.objects.exists()


def test_a_nul_gets_one_message(alice):
    assert len(post(username="ali\0ce").json()["errors"]) == 1


@pytest.mark.parametrize("body", [[], "alice", 5, None])
@pytest.mark.django_db
def test_a_body_that_is_no_object_is_400(body):
    assert APIClient().post("/api/v1/tokens/", body).status_code == 400


def test_the_list_shows_ones_own_tokens_without_secrets(alice, bob, api):
    token, text = create_token(alice, name="laptop")
    create_token(bob)

    shown = api(alice).get("/api/v1/tokens/").json()["results"]

    assert [each["id"] for each in shown] == [token.pk]
    assert set(shown[0]) == {"id", "name", "prefix", "created_at", "last_used_at", "expires_at"}
    assert text.split("_", 2)[2] not in str(shown)


@pytest.mark.django_db
def test_a_stranger_sees_no_list():
    assert APIClient().get("/api/v1/tokens/").status_code == 401


def test_ones_own_token_can_be_read_and_revoked(alice, api):
    token, _ = create_token(alice)

    assert api(alice).get(f"/api/v1/tokens/{token.pk}/").json()["id"] == token.pk
    assert api(alice).delete(f"/api/v1/tokens/{token.pk}/").status_code == 204
    assert api(alice).get(f"/api/v1/tokens/{token.pk}/").status_code == 404


def test_somebody_elses_token_is_not_there(alice, bob, api):
    token, _ = create_token(alice)

    assert api(bob).get(f"/api/v1/tokens/{token.pk}/").status_code == 404
    assert api(bob).delete(f"/api/v1/tokens/{token.pk}/").status_code == 404
    assert Token.objects.filter(pk=token.pk).exists()


def test_a_number_beyond_any_id_is_404(alice, api):
    assert api(alice).get(f"/api/v1/tokens/{'9' * 40}/").status_code == 404


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_token_is_not_changed(alice, api, method):
    token, _ = create_token(alice)

    response = getattr(api(alice), method)(f"/api/v1/tokens/{token.pk}/", {"name": "x"})

    assert response.status_code == 405
