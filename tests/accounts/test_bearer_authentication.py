"""`Authorization: Bearer …` opens the API; anything like it that is not a token is 401 and never a 500."""

import pytest
from rest_framework.test import APIClient

from accounts.models import Token
from accounts.services import create_token


@pytest.fixture
def text(alice):
    return create_token(alice, name="laptop")[1]


def get_me(authorization):
    return APIClient().get("/api/v1/me/", HTTP_AUTHORIZATION=authorization)


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "  Bearer   {}  "])
def test_a_token_opens_the_api(text, form):
    response = get_me(form.format(text))

    assert response.status_code == 200
    assert response.json()["username"] == "alice"


def test_its_use_is_noted(text):
    get_me(f"Bearer {text}")

    assert Token.objects.get().last_used_at is not None


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer tk_aaaaaaaa_" + "a" * 43,
        "Bearer tk_aaaaaaaa_ " + "a" * 42,
        "Bearer tk_aaaaaaaa_\t" + "a" * 42,
        "Bearer a b c",
        "Bearer ,",
        "Bearer \x00",
        "Bearer \xff\xfe",
        "Bearer tk_éééééééé_" + "é" * 43,
        "Bearer 中文",
        "Bearer " + "a" * 50_000,
    ],
)
@pytest.mark.django_db
def test_what_is_no_token_is_refused_with_a_challenge(authorization):
    response = get_me(authorization)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", ["", "Basic YWxpY2U6eA==", "Bearertk_x", "Token x"])
@pytest.mark.django_db
def test_another_scheme_is_nobody(authorization):
    response = get_me(authorization)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


def test_another_scheme_leaves_a_session_alone(alice):
    client = APIClient()
    client.force_login(alice)

    response = client.get("/api/v1/me/", HTTP_AUTHORIZATION="Basic YWxpY2U6eA==")

    assert response.status_code == 200
