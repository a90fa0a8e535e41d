"""Ten failed attempts a minute for a name and an address; the eleventh is not looked at."""

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.errors import TooManyAttemptsError
from accounts.models import LoginThrottle
from accounts.throttle import ATTEMPTS, admit_attempt, forget_attempts, pair_key, prune_attempts

PASSWORD = "correct horse battery"
PAIR = pair_key("alice", "127.0.0.1")
AGE = """
    UPDATE accounts_loginthrottle
    SET attempted_at = ARRAY(SELECT moment - %s * interval '1 second' FROM unnest(attempted_at) AS moment)
"""


def fail(pair=PAIR, *, times=ATTEMPTS):
    for _ in range(times):
        admit_attempt(pair)


def is_refused(pair=PAIR):
    try:
        admit_attempt(pair)
    except TooManyAttemptsError:
        return True
    return False


def let_pass(*, seconds):
    with connection.cursor() as cursor:
        cursor.execute(AGE, [seconds])


def ask_for_token(*, password=PASSWORD, username="alice", **headers):
    body = {"username": username, "password": password}
    return APIClient().post("/api/v1/tokens/", body, **headers)


@pytest.mark.django_db
def test_ten_attempts_are_let_through_and_the_eleventh_is_not():
    fail(times=10)

    with pytest.raises(TooManyAttemptsError) as refusal:
        admit_attempt(PAIR)

    assert 55 <= refusal.value.retry_after <= 60


@pytest.mark.django_db
def test_a_minute_after_the_first_failure_one_more_is_let_through():
    fail(times=1)
    let_pass(seconds=30)
    fail(times=9)
    assert is_refused()

    let_pass(seconds=30)

    assert not is_refused()
    assert is_refused()


@pytest.mark.django_db
def test_in_no_minute_are_there_more_than_ten():
    """A counter that starts anew each minute would let twenty through about its boundary."""
    fail(times=1)
    let_pass(seconds=59)
    fail(times=9)
    let_pass(seconds=2)

    assert not is_refused()
    assert is_refused()


@pytest.mark.django_db
def test_being_refused_does_not_lengthen_the_wait():
    fail()
    let_pass(seconds=59)
    for _ in range(20):
        assert is_refused()

    let_pass(seconds=1)

    assert not is_refused()


@pytest.mark.django_db
def test_another_name_or_address_has_attempts_of_its_own():
    fail()

    assert not is_refused(pair_key("bob", "127.0.0.1"))
    assert not is_refused(pair_key("alice", "127.0.0.2"))


@pytest.mark.parametrize(
    "name",
    ["ALICE", " alice", "alice\t", "al ice", "\uff41\uff4c\uff49\uff43\uff45", "\u00a0alice", "ali\u2003ce"],
)
def test_a_name_counts_however_it_is_written(name):
    assert pair_key(name, "127.0.0.1") == PAIR


def test_composed_and_decomposed_letters_are_one():
    assert pair_key("jos\u00e9", "") == pair_key("JOSE\u0301", "")
    assert pair_key("stra\u00dfe", "") == pair_key("STRASSE", "")


def test_a_key_has_one_length_whatever_is_typed():
    assert {len(pair_key(name, "x" * 9000)) for name in ["", "a", "a" * 100_000, "\ud800", "\0"]} == {64}


def test_an_ipv6_network_is_one_client():
    assert pair_key("alice", "2001:db8::1") == pair_key("alice", "2001:db8::ffff:1")
    assert pair_key("alice", "2001:db8::1") != pair_key("alice", "2001:db8:0:1::1")
    assert pair_key("alice", "::ffff:127.0.0.1") == PAIR


@pytest.mark.django_db
def test_success_forgets_the_failures():
    fail()

    forget_attempts(PAIR)

    assert not is_refused()


@pytest.mark.django_db
def test_pruning_leaves_what_still_counts():
    fail()
    let_pass(seconds=61)
    fail(pair_key("bob", "127.0.0.1"), times=1)

    assert prune_attempts() == 1
    assert LoginThrottle.objects.count() == 1


def test_the_api_answers_429_even_to_the_right_password(alice):
    for _ in range(10):
        assert ask_for_token(password="wrong").status_code == 401

    response = ask_for_token()

    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 60
    assert "Too many attempts" in response.json()["detail"]


def test_the_right_password_clears_the_count_in_the_api(alice):
    for _ in range(9):
        ask_for_token(password="wrong")
    assert ask_for_token().status_code == 201

    assert [ask_for_token(password="wrong").status_code for _ in range(10)] == [401] * 10


def test_what_never_reaches_the_password_is_no_attempt(alice):
    for _ in range(12):
        assert ask_for_token(password="").status_code == 400

    assert ask_for_token().status_code == 201


@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
def test_a_page_answers_429_and_says_why(staff, client, page):
    def send(password):
        return client.post(page, {"username": "staff", "password": password, "next": "/"})

    assert [send("wrong").status_code for _ in range(10)] == [200] * 10

    response = send(PASSWORD)

    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 60
    assert "Too many attempts to sign in" in response.text
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
def test_a_page_lets_the_right_password_in_and_forgets(staff, client, page):
    fail(pair_key("staff", "127.0.0.1"), times=9)

    response = client.post(page, {"username": "staff", "password": PASSWORD, "next": "/"})

    assert response.status_code == 302
    assert not LoginThrottle.objects.exists()


def test_the_ways_in_share_one_count(staff, client):
    for _ in range(4):
        ask_for_token(username="staff", password="wrong")
    for page in ["/accounts/login/", "/admin/login/"]:
        for _ in range(3):
            client.post(page, {"username": "STAFF", "password": "wrong"})

    assert ask_for_token(username="staff").status_code == 429


def test_behind_a_proxy_each_client_has_a_count_of_its_own(alice, settings):
    settings.WEB_PROXIES = 1
    for _ in range(10):
        ask_for_token(password="wrong", HTTP_X_FORWARDED_FOR="203.0.113.9")

    assert ask_for_token(HTTP_X_FORWARDED_FOR="203.0.113.9").status_code == 429
    assert ask_for_token(HTTP_X_FORWARDED_FOR="6.6.6.6, 203.0.113.9").status_code == 429
    assert ask_for_token(HTTP_X_FORWARDED_FOR="203.0.113.10").status_code == 201


def test_without_a_proxy_the_header_is_the_clients_invention(alice):
    for number in range(10):
        ask_for_token(password="wrong", HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")

    assert ask_for_token(HTTP_X_FORWARDED_FOR="203.0.113.99").status_code == 429


@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
@pytest.mark.parametrize(
    ("username", "password"), [("a" * 100_000, "x"), ("alice", "x" * 5000), ("a\0b", "x"), ("", "")]
)
@pytest.mark.django_db
def test_odd_input_is_an_error_of_the_form(client, page, username, password):
    response = client.post(page, {"username": username, "password": password})

    assert response.status_code == 200
    assert response.context["form"].errors


def test_password_reset_mails_are_limited_too(client, alice, mailoutbox):
    answers = [client.post("/accounts/password_reset/", {"email": alice.email}) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [302] * 10 + [429]
    assert int(answers[-1]["Retry-After"]) > 0
    assert len(mailoutbox) == 10
