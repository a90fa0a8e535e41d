"""The breaker: three connections in a row that carried nothing, then one probe at a time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.at_once import at_once
from tests.factories import in_hours
from work import breaker
from work.breaker import Admission
from work.models import Breaker

pytestmark = pytest.mark.django_db


def admit() -> Admission:
    return breaker.admit("email", probe_takes=timedelta(seconds=30))


def wait_left() -> float:
    """Seconds until the next probe."""
    return (Breaker.objects.get().open_until - timezone.now()).total_seconds()


def let_the_probe_be_due() -> None:
    Breaker.objects.update(open_until=timezone.now() - timedelta(seconds=1))


def test_two_failures_in_a_row_let_everybody_go_on():
    breaker.trip("email", "refused")
    breaker.trip("email", "refused")

    assert admit() is Admission.ALL


def test_the_third_failure_in_a_row_parks_everybody():
    for _ in range(3):
        breaker.trip("email", "refused")

    assert admit() is Admission.NONE
    assert breaker.is_open("email")
    assert 4 < wait_left() <= 5


def test_something_carried_in_between_begins_the_count_anew():
    for _ in range(2):
        breaker.trip("email", "refused")
        breaker.trip("email", "refused")
        breaker.close("email", accepted=True)

    assert admit() is Admission.ALL


def test_runs_that_were_under_way_when_it_opened_do_not_prolong_it():
    for _ in range(8):
        breaker.trip("email", "refused")

    assert wait_left() <= 5


def test_each_probe_that_fails_doubles_the_wait_up_to_forty_seconds():
    for _ in range(3):
        breaker.trip("email", "refused")
    waits = []
    for _ in range(6):
        breaker.trip("email", "refused", probing=True)
        waits.append(round(wait_left()))

    assert waits == [10, 20, 40, 40, 40, 40]


def test_a_probe_that_nobody_heard_of_again_is_followed_by_another():
    Breaker.objects.create(name="email", failures=3, open_until=in_hours(-1))
    first = admit()
    meanwhile = admit()

    let_the_probe_be_due()

    assert (first, meanwhile, admit()) == (Admission.PROBE, Admission.NONE, Admission.PROBE)


def test_a_clock_that_is_set_back_parks_nobody_for_longer_than_the_longest_wait():
    Breaker.objects.create(name="email", failures=3, open_until=in_hours(24))

    assert not breaker.is_open("email")
    assert admit() is Admission.PROBE


def test_of_many_who_ask_at_once_one_gets_the_probe(committed_db):
    Breaker.objects.create(name="email", failures=3, open_until=in_hours(-1))

    admissions = at_once(admit, times=4)

    assert admissions.count(Admission.PROBE) == 1
    assert admissions.count(Admission.NONE) == 3


def test_a_failure_and_an_acceptance_at_the_same_moment_leave_it_open_or_closed_and_nothing_between(committed_db):
    Breaker.objects.create(name="email")

    def fail_and_succeed() -> None:
        for _ in range(20):
            breaker.trip("email", "refused")
            breaker.close("email", accepted=True)

    at_once(lambda: fail_and_succeed() or True, times=3)

    row = Breaker.objects.get()
    assert (row.failures >= breaker.TRIES) == (row.open_until is not None)


def test_whatever_state_it_is_in_an_acceptance_closes_it():
    Breaker.objects.create(name="email", failures=0, open_until=in_hours(1 / 60))

    breaker.close("email", accepted=True)

    assert Breaker.objects.get().open_until is None


def test_that_it_can_be_reached_closes_it_unless_connections_broke_with_something_on_them():
    breaker.trip("email", "refused")
    breaker.reached("email")
    after_a_refusal = Breaker.objects.get().failures
    breaker.trip("email", "broke off", carrying=True)
    breaker.reached("email")

    assert (after_a_refusal, Breaker.objects.get().failures) == (0, 1)
