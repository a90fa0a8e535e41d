"""Two people change a schedule at the same moment."""

from threading import Lock

import pytest
from django_celery_beat.models import PeriodicTask

from tests.at_once import at_once
from tests.factories import make_user

URL = "/api/v1/schedules/"


@pytest.fixture
def client(committed_db, api):
    return api(make_user("staff", is_staff=True, is_superuser=True))


def each_of(*bodies):
    """One of them for each thread."""
    lock, left = Lock(), list(bodies)

    def take():
        with lock:
            return left.pop()

    return take


def test_two_changes_that_exclude_each_other_do_not_both_succeed(client):
    for turn in range(5):
        schedule = client.post(URL, {"name": f"x{turn}", "job": "reminders.prune", "crontab": {}}).json()
        take = each_of({"expires": "2040-01-01T00:00:00Z"}, {"expire_seconds": 5})

        answers = at_once(lambda: client.patch(f"{URL}{schedule['id']}/", take()).status_code, times=2)  # noqa: B023

        assert sorted(answers) == [200, 400]


def test_of_two_new_ones_with_one_name_one_is_made(client):
    body = {"name": "x", "job": "reminders.prune", "crontab": {"minute": "0"}}

    answers = at_once(lambda: client.post(URL, body).status_code, times=4)

    assert sorted(answers) == [201, 400, 400, 400]
    assert PeriodicTask.objects.filter(name="x").count() == 1
