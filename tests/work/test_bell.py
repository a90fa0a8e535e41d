"""Rings: few, and never an error."""

import threading

import pytest
from django.db import connection

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


def test_of_many_that_ring_at_once_one_gets_the_right(committed_db):
    results: list[bool] = []
    barrier = threading.Barrier(5)

    def run() -> None:
        barrier.wait()
        results.append(ring_once("sweep"))
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [False, False, False, False, True]
