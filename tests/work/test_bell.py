"""Rings: few, and never an error."""

import pytest

from tests.at_once import at_once
from tests.factories import in_hours
from work.bell import answer, ring_once
from work.models import Bell


@pytest.mark.django_db
def test_one_ring_is_out_at_a_time():
    assert [ring_once("sweep"), ring_once("sweep")] == [True, False]


@pytest.mark.django_db
def test_an_answer_makes_way_for_the_next_ring():
    ring_once("sweep")

    answer("sweep")

    assert ring_once("sweep") is True


@pytest.mark.django_db
def test_a_ring_that_got_lost_is_repeated_after_a_while():
    ring_once("sweep")

    Bell.objects.update(rung_at=in_hours(-1))

    assert ring_once("sweep") is True


@pytest.mark.django_db
def test_a_clock_that_was_set_back_does_not_silence_the_bell():
    ring_once("sweep")

    Bell.objects.update(rung_at=in_hours(1))

    assert ring_once("sweep") is True


def test_of_many_that_ring_at_once_one_gets_the_right(committed_db):
    results = at_once(lambda: ring_once("sweep"), times=5)

    assert sorted(results) == [False, False, False, False, True]
