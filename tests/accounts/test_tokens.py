"""A token is shown once; afterwards only what proves it is known."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Token
from accounts.services import create_token, find_token, record_token_use, revoke_token


def test_a_token_finds_its_person(alice):
    token, text = create_token(alice, name="laptop")

    found = find_token(text)

    assert found == token
    assert found.user == alice
    assert found.name == "laptop"
    assert found.expires_at is None


def test_the_secret_is_nowhere_in_the_database(alice):
    _, text = create_token(alice)

    secret = text.split("_", 2)[2]
    row = Token.objects.values().get()

    assert len(secret) == 43
    assert not [value for value in row.values() if secret in str(value)]


def test_the_text_says_what_it_is_and_how_to_find_it(alice):
    token, text = create_token(alice)

    assert text.startswith(f"tk_{token.prefix}_")
    assert len(text) == len("tk_12345678_") + 43


def test_two_tokens_differ(alice):
    assert create_token(alice)[1] != create_token(alice)[1]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),  # another secret
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text + "\n",
        lambda text: text.upper(),
        lambda text: text.replace("tk_", "xx_", 1),
        lambda text: "tk_" + "0" * 8 + text[11:],  # another prefix
        lambda text: text[12:],
        lambda text: "",
        lambda text: "\0",
        lambda text: "tk_" + "é" * 8 + "_" + "é" * 43,
        lambda text: "tk_" + "a" * 100_000,
    ],
)
def test_a_text_that_is_not_exactly_the_token_finds_nobody(alice, spoil):
    _, text = create_token(alice)

    assert find_token(spoil(text)) is None


def test_the_secret_of_another_token_does_not_open_this_one(alice, bob):
    _, text = create_token(alice)
    theirs, _ = create_token(bob)

    mixed = f"tk_{theirs.prefix}_{text.split('_', 2)[2]}"

    assert find_token(mixed) is None


def test_a_token_ends_when_it_expires(alice):
    token, text = create_token(alice, expires_at=timezone.now() + timedelta(hours=1))
    assert find_token(text) == token

    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert find_token(text) is None


def test_a_deactivated_persons_token_opens_nothing_until_they_are_back(alice):
    token, text = create_token(alice)
    alice.is_active = False
    alice.save()
    assert find_token(text) is None

    alice.is_active = True
    alice.save()

    assert find_token(text) == token


def test_a_revoked_token_is_gone(alice):
    token, text = create_token(alice)

    revoke_token(token)

    assert find_token(text) is None
    assert not Token.objects.exists()


def test_the_last_use_is_noted_at_most_once_a_minute(alice):
    token, _ = create_token(alice)
    record_token_use(token)
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None

    record_token_use(token)
    token.refresh_from_db()
    assert token.last_used_at == first

    Token.objects.update(last_used_at=first - timedelta(seconds=61))
    record_token_use(token)
    token.refresh_from_db()
    assert token.last_used_at > first
