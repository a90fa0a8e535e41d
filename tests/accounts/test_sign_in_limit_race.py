"""Attempts made at the same moment do not pass the limit together."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.errors import TooManyAttemptsError
from accounts.models import LoginThrottle
from accounts.throttle import ATTEMPTS, admit_attempt, pair_key

CLIENTS = 24


def at_once(action):
    """What each of CLIENTS threads gets from `action`, all let off together."""
    line = Barrier(CLIENTS)

    def run(_):
        try:
            connection.ensure_connection()
            line.wait(timeout=30)
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(CLIENTS) as threads:
        return list(threads.map(run, range(CLIENTS)))


def admitted():
    try:
        admit_attempt(pair_key("alice", "127.0.0.1"))
    except TooManyAttemptsError:
        return False
    return True


@pytest.mark.django_db(transaction=True)
def test_of_many_attempts_at_once_ten_are_let_through():
    assert at_once(admitted).count(True) == ATTEMPTS
    assert len(LoginThrottle.objects.get().attempted_at) == ATTEMPTS


@pytest.mark.django_db(transaction=True)
def test_of_many_wrong_passwords_at_once_ten_are_looked_at(alice):
    def guess():
        body = {"username": "alice", "password": "wrong"}
        return APIClient().post("/api/v1/tokens/", body).status_code

    statuses = at_once(guess)

    assert sorted(statuses) == [401] * ATTEMPTS + [429] * (CLIENTS - ATTEMPTS)
