"""What the service does all day, timed and explained on the database of a measurement.

Runs inside of Django: `manage.py shell` is told to call `measure`, and the answer is JSON.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from reminders import canary, health, metrics, pruning, sweep, wake
from reminders.dispatching import dispatch
from reminders.models import Delivery, Reminder
from work import bell
from work.claims import Holder, Turn, claim
from work.large_tables import rows_of
from work.step import clock, noted

RUNS = 25
LEASE, DAYS = timedelta(minutes=5), timedelta(days=1)
BIG = {"taskapp_task", "reminders_reminder", "reminders_delivery"}

Figures = dict[str, Any]


@dataclass
class Watch:
    """Every statement of Django's connection: how long it took; asked to, by which indexes it would be carried out."""

    explains: bool = False
    milliseconds: list[float] = field(default_factory=list)
    plans: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        last = sql.rpartition(";")[2].lstrip()  # of those that are sent together
        if self.explains and last.startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
            self.plans.append(explain(last, params))
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.milliseconds.append((time.perf_counter() - began) * 1000)

    @contextmanager
    def watching(self) -> Iterator[None]:
        with connection.execute_wrapper(self):
            yield


def explain(sql: str, params: Any) -> dict[str, Any]:
    """The indexes that a statement would use, and which big tables it would read from end to end."""
    with connection.cursor() as cursor:
        cursor.cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        (plan,) = cursor.fetchone()
    nodes = list(nodes_of((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]))
    return {
        "sql": " ".join(sql.split())[:60],
        "indexes": sorted({node["Index Name"] for node in nodes if "Index Name" in node}),
        "read whole": sorted({node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"} & BIG),
    }


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those that are reached: what lies behind a condition that no row has a part in is for times that hardly come."""
    yield plan
    if "One-Time Filter" in plan:
        return
    for inner in plan.get("Plans", []):
        yield from nodes_of(inner)


def timed(call: Callable[[], Any], *, times: int = RUNS) -> tuple[list[float], list[float]]:
    """Milliseconds of each run: of its statements together, and of the whole."""
    statements, wholes = [], []
    for _ in range(times):
        watch, began = Watch(), time.perf_counter()
        with watch.watching():
            call()
        wholes.append((time.perf_counter() - began) * 1000)
        statements.append(sum(watch.milliseconds))
    return statements, wholes


# What happens twice a second, though there is nothing to do


def idle() -> Figures:
    """With every bell answered, so that nobody rings for the canary."""
    for name in (canary.MAIL, sweep.BELL, wake.BEAT):
        bell.answer(name)
    sweep.send_due_soon()
    statements, wholes = timed(sweep.send_due_soon)
    return {
        "sweep": statements, "sweep, whole": wholes, "wake": timed(wake.seconds_until_work)[0],
        "gauges": timed(lambda: list(metrics.gauges()))[0], "health": timed(check_health)[0],
    }  # fmt: skip


def check_health() -> None:
    for check in health.CHECKS.values():
        check()


# When something is due


def due() -> Figures:
    """A thousand fall due, are dispatched, and claimed fifty at a time."""
    dispatches, claims = [], []
    for _ in range(5):
        let_fall_due(min(1_000, rows_of(Reminder) // 20))
        dispatches += timed(dispatch, times=1)[0]
        turn = Turn(by="recipient_id")
        claims += timed(lambda turn=turn: claim_some(turn), times=5)[0]
        send(claimed(turn))
    return {"dispatch": dispatches, "claim": claims}


def backlog() -> Figures:
    """Claims, and what else counts or searches what is due, beside a backlog."""
    turn = Turn(by="recipient_id")
    claim_some(turn)
    return {
        "claim": timed(lambda: claim_some(turn))[0], "wake": timed(wake.seconds_until_work)[0],
        "gauges": timed(lambda: list(metrics.gauges()))[0], "rescue": timed(sweep.rescue_lost_deliveries)[0],
    }  # fmt: skip


def let_fall_due(count: int) -> None:
    soonest = Reminder.objects.filter(status=Reminder.Status.PLANNED).order_by("-remind_at").values("pk")[:count]
    Reminder.objects.filter(pk__in=list(soonest.values_list("pk", flat=True))).update(remind_at=clock())


def claim_some(turn: Turn, holder: Holder | None = None) -> list[int]:
    return claim(Delivery, holder or Holder(), limit=50, lease=LEASE, turn=turn)


def claimed(turn: Turn) -> list[int]:
    while claim_some(turn):
        pass
    return list(Delivery.objects.filter(status=Delivery.LEASED).values_list("pk", flat=True))


def send(ids: list[int]) -> None:
    """The last check's update and the settling one, for many at once."""
    for begin in range(0, len(ids), 500):
        own = Delivery.objects.filter(pk__in=ids[begin : begin + 500])
        own.update(
            handing_over=True, handed_over_at=clock(), address="somebody@example.org", content={"title": "x" * 300}
        )
        own.update(
            status=Delivery.Status.SENT, sent_at=clock(), handing_over=False, lease_token=None, lease_until=None,
            lease_worker="", history=noted("sent"),
        )  # fmt: skip


def burst(count: int = 10_000) -> Figures:
    """So many fall due and are sent, as fast as they can."""
    let_fall_due(count)
    while dispatch()["dispatched"]:
        pass
    send(claimed(Turn(by="recipient_id")))
    return {}


# What people look at

PAGES = {
    "tasks": "/admin/taskapp/task/",
    "tasks, page 3": "/admin/taskapp/task/?p=3",
    "tasks, of a status": "/admin/taskapp/task/?status__exact=done",
    "tasks, found by a rare word": "/admin/taskapp/task/?q=order+777777",
    "tasks, found by a word that is nowhere": "/admin/taskapp/task/?q=zzz",
    "tasks, by due date": "/admin/taskapp/task/?o=5",
    "reminders": "/admin/reminders/reminder/",
    "reminders, page 3": "/admin/reminders/reminder/?p=3",
    "reminders, of a status": "/admin/reminders/reminder/?status__exact=planned",
    "reminders, of a rare status": "/admin/reminders/reminder/?status__exact=cancelled",
    "reminders, found by an owner": "/admin/reminders/reminder/?q=owner77",
    "reminders, by moment": "/admin/reminders/reminder/?o=5",
    "deliveries": "/admin/reminders/delivery/",
    "deliveries, page 3": "/admin/reminders/delivery/?p=3",
    "deliveries, failed": "/admin/reminders/delivery/?status__exact=failed",
    "deliveries, found by a recipient": "/admin/reminders/delivery/?q=owner77",
    "deliveries, by moment of sending": "/admin/reminders/delivery/?o=5",
}
LISTS = {
    "tasks": "/api/v1/tasks/", "tasks by due date": "/api/v1/tasks/?ordering=due_at",
    "reminders": "/api/v1/reminders/", "deliveries": "/api/v1/deliveries/",
}  # fmt: skip


def pages() -> Figures:
    admin, owner = User.objects.filter(is_superuser=True)[0], User.objects.get(username="owner77")
    browser, api = Client(), APIClient()
    browser.force_login(admin)
    api.force_authenticate(owner)
    admin_pages = {f"admin: {name}": look(browser, path) for name, path in PAGES.items()}
    return {**admin_pages, **{f"API: {name}": look(api, path) for name, path in LISTS.items()}}


def look(client: Client, path: str) -> list[float]:
    found = []
    for _ in range(5):
        began = time.perf_counter()
        response = client.get(path, headers={"host": "127.0.0.1"})
        found.append((time.perf_counter() - began) * 1000)
        assert response.status_code == 200, (path, response.status_code)
        if found[-1] > 5_000:
            break
    return found


# How it is found


def explained() -> Figures:
    """Of each statement that is run all day: its indexes, and what it would read from end to end."""
    let_fall_due(100)
    watch = Watch(explains=True)
    with watch.watching():
        sweep.send_due_soon()
        wake.seconds_until_work()
        list(metrics.gauges())
        check_health()
        claim_some(Turn(by="recipient_id"))
    send(claimed(Turn(by="recipient_id")))
    return {"plans": watch.plans}


def prune() -> Figures:
    """Two runs of some seconds, of what is older than 90 days."""
    watch, began = Watch(), time.perf_counter()
    with watch.watching():
        pruned = sum(pruning.prune(history=DAYS * 90, tombstones=DAYS * 30)["reminders"] for _ in range(2))
    return {"pruned a second": [pruned / (time.perf_counter() - began)], "prune": watch.milliseconds}


def measure(*names: str) -> None:
    known: dict[str, Callable[[], Figures]] = {
        "idle": idle, "due": due, "backlog": backlog, "burst": burst, "small burst": partial(burst, 1_000),
        "pages": pages, "explained": explained, "prune": prune,
    }  # fmt: skip
    figures: Figures = {}
    for name in names:
        figures |= known[name]()
    print(json.dumps(figures))
