"""Pages and the API answer in a language, say which, and pay next to nothing to know it."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from django.utils.translation import trans_real
from rest_framework.test import APIClient

from accounts.models import Preference
from accounts.services import create_token
from taskapp.models import Tag
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


@pytest.mark.django_db
def test_a_page_is_in_german(german, client):
    response = client.get("/accounts/login/", headers={"accept-language": "de"})

    assert '<html lang="de">' in response.text
    assert "<h1>Anmelden</h1>" in response.text


def test_a_page_says_what_is_stored_as_a_value_in_german(german, browser, german_speaker):
    task = make_task(german_speaker, due_at=datetime(2030, 5, 1, 8, tzinfo=UTC), priority="low")

    text = browser.get(f"/tasks/{task.pk}/").text

    assert "Zu tun · Niedrig ·" in text
    assert "fällig: Mi 1. Mai 2030, 08:00 (UTC)" in text


def test_a_problem_of_the_api_is_in_german(german, program):
    """What a validator says with a value in it, and around it what the handler says; codes and names stay."""
    problem = program.patch(ME, {"timezone": "Mars/Olympus"}).json()

    assert (problem["title"], problem["detail"]) == ("Bad Request", "Siehe die Fehler der einzelnen Felder.")
    assert problem["errors"] == [
        {"field": "timezone", "detail": "„Mars/Olympus“ ist keine Zeitzone.", "code": "timezone"}
    ]


@pytest.mark.django_db
def test_an_unknown_path_of_the_api_is_answered_as_the_request_asks(german, client):
    problem = client.get("/api/v1/no/such/thing", headers={"accept-language": "de"}).json()

    assert problem["detail"] == "Hier ist nichts."


def test_an_error_whose_docstring_is_its_message_is_in_german(german, program, german_speaker):
    Tag.objects.create(owner=german_speaker, name="home")
    other = Tag.objects.create(owner=german_speaker, name="work")

    problem = program.patch(f"/api/v1/tags/{other.pk}/", {"name": "home"}).json()

    assert problem["errors"][0]["detail"] == "Es gibt schon ein anderes Tag mit diesem Namen."


@pytest.mark.parametrize("path", ["/api/v1/tasks/?search=%00", "/?x=%00"])
@pytest.mark.django_db
def test_what_is_refused_unseen_speaks_as_the_request_asks(german, client, path):
    response = client.get(path, headers={"accept-language": "de"})

    assert response.status_code == 400
    assert response["Content-Language"] == "de"
    assert "NUL-Zeichen sind nicht erlaubt." in response.text


def test_while_the_database_is_away_it_is_said_as_the_request_asks(wire, german, alice):
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    wire.break_after(1, is_carried_out=False)

    response = client.get("/", headers={"accept-language": "de"})

    assert response.status_code == 503
    assert "<h1>Kurz nicht da</h1>" in response.text


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


def test_a_page_is_kept_by_no_cache_for_somebody_else(german, client):
    assert {"Cookie", "Accept-Language"} <= set(client.get("/accounts/login/")["Vary"].split(", "))


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_a_probe_asks_for_nobodys_choice(german, browser, path):
    with CaptureQueriesContext(connection) as queries:
        browser.get(path)

    assert not [query for query in queries if "accounts_preference" in query["sql"]]


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


@pytest.mark.django_db
def test_nobody_fills_the_memory_with_languages_that_do_not_exist(german, client):
    """Django keeps what it has loaded for each code that it was ever told to speak."""
    for path in ["/api/v1/schema/", "/api/v1/docs/", "/accounts/login/"]:
        client.get(path, {"lang": "tlh"}, headers={"accept-language": "tlh"})

    assert "tlh" not in trans_real._translations
