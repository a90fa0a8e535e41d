"""Pages and the API answer in a language, say which, and pay next to nothing to know it."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from rest_framework.test import APIClient

from accounts.models import Preference
from accounts.services import create_token
from tests.factories import make_attachment, make_task

PAGE = "/accounts/preferences/"
ME = "/api/v1/me/"


@pytest.fixture
def german_speaker(alice) -> User:
    Preference.objects.create(user=alice, language="de")
    return alice


@pytest.fixture
def browser(client, german_speaker) -> Client:
    client.force_login(german_speaker)
    return client


@pytest.fixture
def program(german_speaker) -> APIClient:
    """With a token, whose use in this minute has been noted."""
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {create_token(german_speaker)[1]}")
    client.get(ME)
    return client


def statements(client: Client, path: str, **headers: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        client.get(path, headers=headers)
    return len(queries)


@pytest.mark.parametrize(("header", "language"), [("de", "de"), ("en", "en"), ("fr", "en"), ("", "en")])
@pytest.mark.django_db
def test_a_stranger_is_answered_as_their_browser_asks(german, client, header, language):
    for path in ["/accounts/login/", "/", "/no/such/page", "/api/v1/no/such/thing", ME]:
        response = client.get(path, headers={"accept-language": header} if header else {})

        assert response["Content-Language"] == language, path
        assert "Accept-Language" in response["Vary"], path


def test_a_page_speaks_the_language_that_the_person_has_chosen(german, browser):
    response = browser.get(PAGE, headers={"accept-language": "en"})

    assert response["Content-Language"] == "de"
    assert "Cookie" in response["Vary"]


def test_a_person_without_a_choice_is_answered_as_their_browser_asks(german, bob, client):
    client.force_login(bob)

    assert client.get(PAGE, headers={"accept-language": "de"})["Content-Language"] == "de"


@pytest.mark.parametrize(("header", "language"), [("", "de"), ("*", "de"), ("fr", "de"), ("en", "en"), ("de", "de")])
def test_the_api_speaks_as_the_program_asks_and_else_as_the_person_has_chosen(
    german, program, browser, header, language
):
    for client in [program, browser]:
        response = client.get(ME, headers={"accept-language": header} if header else {})

        assert response.status_code == 200
        assert response["Content-Language"] == language


def test_an_error_of_the_api_speaks_it_too(german, program):
    """By a text that the framework's own German catalogue has."""
    assert program.patch(ME, {"first_name": 5}).json()["errors"][0]["detail"] == "Kein gültiger String."


@pytest.mark.parametrize("path", ["/api/v1/tasks/?search=%00", "/?x=%00"])
@pytest.mark.django_db
def test_what_is_refused_unseen_speaks_as_the_request_asks(german, client, path):
    response = client.get(path, headers={"accept-language": "de"})

    assert response.status_code == 400
    assert response["Content-Language"] == "de"


@pytest.mark.parametrize("header", ["de;q=x", ";;;", "de;q=1;q=2", "x" * 100_000, "\xff", "de-" * 5000, "../../etc"])
@pytest.mark.django_db
def test_no_accept_language_is_a_defect(german, program, client, header):
    assert client.get("/accounts/login/", headers={"accept-language": header}).status_code == 200
    assert program.get(ME, headers={"accept-language": header}).status_code == 200


def test_where_one_language_is_offered_it_costs_no_statement_and_nothing_varies(browser, program):
    costs = [statements(browser, PAGE), statements(program, ME)]
    Preference.objects.all().delete()

    response = browser.get(PAGE, headers={"accept-language": "de"})

    assert costs == [statements(browser, PAGE), statements(program, ME)] == [5, 2]
    assert response["Content-Language"] == "en"
    assert "Accept-Language" not in response["Vary"]


def test_where_several_are_offered_a_page_costs_one_statement_more_and_a_token_none(german, browser, program, settings):
    costs = [statements(browser, PAGE), statements(browser, ME), statements(program, ME)]
    settings.LANGUAGES = settings.LANGUAGES[:1]

    before = [statements(browser, PAGE), statements(browser, ME), statements(program, ME)]

    assert costs == [before[0] + 1, before[1] + 1, before[2]]


def test_a_program_that_says_what_it_wants_costs_no_statement(german, browser, settings):
    cost = statements(browser, ME, **{"accept-language": "en"})
    settings.LANGUAGES = settings.LANGUAGES[:1]

    assert cost == statements(browser, ME)


def test_a_file_is_in_nobodys_language(german, browser, german_speaker):
    attachment = make_attachment(make_task(german_speaker))

    response = browser.get(f"/api/v1/attachments/{attachment.pk}/content/")

    assert b"".join(response.streaming_content) == b"hello"
    assert not response.has_header("Content-Language")


@pytest.mark.parametrize("path", ["/accounts/login/", "/no/such/page", "/?x=%00"])
@pytest.mark.django_db
def test_the_thread_speaks_afterwards_what_it_spoke_before(german, client, path):
    client.get(path, headers={"accept-language": "de"})

    assert translation.get_language() == "en"


def test_a_choice_is_confirmed_in_the_language_that_was_chosen(german, bob, client):
    client.force_login(bob)
    wish = {"first_name": "", "last_name": "", "timezone": "", "email_enabled": "on", "language": "de"}

    response = client.post(PAGE, wish, follow=True)

    assert response["Content-Language"] == "de"
