"""A child of the worker is replaced when it has grown, and not while it waits for an answer."""

import pytest

from config.celery import app
from work import recycling
from work.recycling import UnlessBusy


def is_replaced(used: int, limit: int) -> bool:
    """As the pool asks, after each job."""
    return used > limit


@pytest.mark.parametrize(("used", "is_busy", "expected"), [(99, False, False), (101, False, True), (101, True, False)])
def test_a_child_that_has_grown_is_replaced_unless_it_is_busy(monkeypatch, used, is_busy, expected):
    monkeypatch.setattr(recycling, "_reasons", [lambda: is_busy])

    assert is_replaced(used, UnlessBusy(100)) is expected


def test_the_workers_limit_asks():
    assert isinstance(app.conf.worker_max_memory_per_child, UnlessBusy)
    assert app.conf.worker_max_tasks_per_child is None
