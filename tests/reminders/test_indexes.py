"""What is asked all day is found by an index, and nobody's clock is compared row by row."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from reminders import health, metrics, planning, sweep, wake
from reminders.dispatching import dispatch
from reminders.models import Delivery, PersonChange, Reminder
from reminders.pruning import OF_DELETED_TASKS, OVER, prune_reminders, purge_untold_tasks
from tests.factories import make_delivery, make_reminder, make_task
from work.claims import Holder, Turn, claim

pytestmark = pytest.mark.django_db

BIG = {"taskapp_task", "reminders_reminder", "reminders_delivery"}

ASKED_ALL_DAY: dict[str, Callable[[], Any]] = {
    "plan": planning.plan,
    "dispatch": dispatch,
    "rescue": sweep.rescue_lost_deliveries,
    "claim": lambda: claim(Delivery, Holder(), limit=50, lease=timedelta(minutes=5), turn=Turn(by="recipient_id")),
    "wake": wake.seconds_until_work,
    "metrics": lambda: list(metrics.gauges()),
    "health of planning": health.planning,
    "health of deliveries": health.deliveries,
    "prune": lambda: prune_reminders(OVER, older_than=timedelta(days=90), end=float("inf")),
    "purge": lambda: purge_untold_tasks(older_than=timedelta(days=30)),
    "prune with the task": lambda: prune_reminders(OF_DELETED_TASKS, older_than=timedelta(days=90), end=float("inf")),
}


@pytest.mark.parametrize("ask", ASKED_ALL_DAY.values(), ids=ASKED_ALL_DAY)
def test_it_is_found_by_an_index(alice, ask):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # for so few rows it would be the cheapest

    nodes = nodes_of(ask)

    assert not [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG]
    for moment in ("remind_at", "not_before"):
        assert not [
            node for node in nodes if moment in node.get("Filter", "") and "clock_timestamp()" in node["Filter"]
        ]


def test_what_is_over_is_found_by_its_age(alice):
    make_delivery(make_task(alice, due_in_hours=-24 * 100), status="sent")
    make_reminder(make_task(alice))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")

    nodes = nodes_of(ASKED_ALL_DAY["prune"])

    assert [node for node in nodes if node.get("Index Name") == "reminder_over" and "GREATEST" in node["Index Cond"]]
    assert Reminder.objects.count() == 2


def test_what_a_person_was_not_told_is_found_by_an_index_of_that_alone(alice):
    PersonChange.objects.create(person_id=alice.pk)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")

    nodes = nodes_of(planning.plan)

    own = [node["Index Name"] for node in nodes if node.get("Relation Name") == "reminders_delivery"]
    assert "delivery_unreached" in own
    assert not {"delivery_suppressed", "delivery_recipient"} & set(own)


def nodes_of(ask: Callable[[], Any]) -> list[dict[str, Any]]:
    """The nodes of the plans of all that is asked, but those behind a condition that no row has a part in."""
    plans: list[dict[str, Any]] = []

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        last = sql.rpartition(";")[2].lstrip()  # of those that are sent together
        if last.startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            with connection.cursor() as cursor:
                cursor.cursor.execute(f"EXPLAIN (FORMAT JSON) {last}", params)
                (plan,) = cursor.fetchone()
            plans.append((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        ask()
    return [node for plan in plans for node in reached(plan)]


def reached(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    if "One-Time Filter" not in plan:
        for inner in plan.get("Plans", []):
            yield from reached(inner)
