"""`/healthz`, `/readyz` and `/healthz/reminders`: whether it lives, is ready, and keeps its promise."""

import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from attachments.scanning import SCANNER
from config import probes
from reminders.canary import MAIL
from reminders.channels import EMAIL
from reminders.models import TaskChange
from reminders.sweep import BELL
from reminders.wake import BEAT
from tests.factories import make_delivery, make_reminder, make_task
from tests.silence import silent
from work import breaker
from work.models import Bell, Breaker

PROMISE = ["database", "broker", "beat", "worker", "planning", "mail", "deliveries", "schedules", "disk", "time zones"]
WARN = {"schedules", "time zones"}
"""Never red."""


def ago(seconds: float):
    return timezone.now() - timedelta(seconds=seconds)


@pytest.fixture
def _well(db) -> None:
    """Beat, a worker and the mail server have just answered."""
    for name in (BEAT, BELL, MAIL):
        Bell.objects.update_or_create(name=name, defaults={"answered_at": ago(5)})


def down(client) -> list[str]:
    """The parts that are named as down; the status must agree."""
    response = client.get("/healthz/reminders")
    answer = response.json()
    assert response.status_code == (503 if answer["down"] else 200)
    assert answer["status"] == ("down" if answer["down"] else "ok")
    assert list(answer["checks"]) == PROMISE
    told = {name: detail for name, detail in answer["checks"].items() if name not in WARN}
    not_ok = [name for name, detail in told.items() if detail != "ok" and "unknown while" not in detail]
    assert not_ok == answer["down"]
    return answer["down"]


def test_being_alive_needs_neither_database_nor_broker(client, settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"

    # Without the db fixture a query would be an error here.
    response = client.get("/healthz")

    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
def test_it_is_ready_when_database_and_broker_answer(client):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "down": [], "checks": {"database": "ok", "broker": "ok"}}


@pytest.mark.usefixtures("_well")
def test_neither_asks_the_virus_scanner(client, settings):
    settings.CLAMD = {"path": "/nowhere/clamd.ctl"}
    for _ in range(3):
        breaker.trip(SCANNER, "no answer")
    assert breaker.is_open(SCANNER)

    assert client.get("/readyz").status_code == 200
    assert down(client) == []


@pytest.mark.django_db
def test_a_broker_that_is_not_there_is_named(client, settings):
    settings.CELERY_BROKER_URL = "redis://:secret@127.0.0.1:1/0"

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["down"] == ["broker"]
    assert "secret" not in response.text


@pytest.mark.django_db
def test_a_broker_that_never_answers_is_not_waited_for(client, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        began = monotonic()

        response = client.get("/readyz")

        assert monotonic() - began < 3
        assert response.status_code == 503
        assert response.json()["down"] == ["broker"]


@pytest.mark.usefixtures("committed_db")
def test_a_database_that_is_silent_is_named_in_seconds_and_found_at_its_other_host(client, monkeypatch):
    server = connection.settings_dict
    with silent() as first, silent() as second:
        answers = []
        for other in (str(second), server["PORT"]):
            monkeypatch.setitem(server, "HOST", f"127.0.0.1,{server['HOST'].split(',')[-1]}")
            monkeypatch.setitem(server, "PORT", f"{first},{other}")
            connection.close()
            began = monotonic()
            answers.append((client.get("/readyz").json()["down"], monotonic() - began))
    connection.close()

    (while_silent, took), (with_the_other, _) = answers
    assert (while_silent, with_the_other) == (["database"], [])
    assert took < 3.5


@pytest.mark.usefixtures("_well")
def test_the_promise_is_kept_when_everything_is_well(client, alice):
    make_delivery(make_task(alice), status="sent", not_before=ago(9999))
    make_delivery(make_task(alice), status="failed", not_before=ago(9999))
    make_delivery(make_task(alice), not_before=timezone.now() + timedelta(hours=1))  # deferred by an answer
    make_delivery(make_task(alice), not_before=ago(9999))  # of a task that was saved just now
    make_delivery(make_task(alice), not_before=ago(9999), created_at=ago(60))
    make_reminder(make_task(alice), remind_at=ago(60), created_at=ago(9999))
    make_reminder(make_task(alice), remind_at=ago(9999))  # of a task that was saved just now
    make_reminder(make_task(alice), remind_at=ago(9999), status="cancelled", reason="x")

    assert down(client) == []


@pytest.mark.parametrize(("bell", "part"), [(BEAT, "beat"), (BELL, "worker"), (MAIL, "mail")])
@pytest.mark.parametrize("answered_at", [ago(200), None])
@pytest.mark.usefixtures("_well")
def test_who_has_not_answered_for_two_minutes_is_named(client, bell, part, answered_at):
    Bell.objects.filter(name=bell).update(answered_at=answered_at, rung_at=ago(1))

    assert down(client) == [part]


@pytest.mark.django_db
def test_before_anything_ran_beat_is_what_is_missing(client):
    assert down(client) == ["beat"]


@pytest.mark.usefixtures("_well")
def test_what_is_heard_of_through_a_part_that_is_down_is_unknown_and_not_blamed(client):
    Bell.objects.filter(name__in=[BELL, MAIL]).update(answered_at=ago(150))

    assert down(client) == ["worker"]
    assert client.get("/healthz/reminders").json()["checks"]["mail"] == "unknown while worker is down"


@pytest.mark.usefixtures("_well")
def test_a_mail_server_that_nobody_visits_any_more_is_not_blamed_for_the_workers_silence(client):
    Bell.objects.filter(name=MAIL).update(answered_at=ago(150))
    Bell.objects.filter(name=BELL).update(answered_at=ago(30))

    assert down(client) == []


@pytest.mark.usefixtures("_well")
def test_without_a_broker_the_broker_alone_is_named(client, settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    Bell.objects.update(answered_at=ago(150))

    assert down(client) == ["broker"]


@pytest.mark.usefixtures("_well")
def test_a_due_reminder_that_nobody_handed_over_is_planning(client, alice):
    make_reminder(make_task(alice), remind_at=ago(150), created_at=ago(150))

    assert down(client) == ["planning"]


@pytest.mark.usefixtures("_well")
def test_a_change_that_nobody_planned_is_planning(client, alice):
    TaskChange.objects.create(task_id=1, at=ago(150))

    assert down(client) == ["planning"]


@pytest.mark.usefixtures("_well")
def test_a_parked_transport_is_mail_and_says_why_though_nothing_waits(client):
    Breaker.objects.create(name=EMAIL, failures=3, open_until=ago(1), reason="connection refused")

    assert down(client) == ["mail"]
    assert "connection refused" in client.get("/healthz/reminders").json()["checks"]["mail"]


@pytest.mark.usefixtures("_well")
def test_a_breaker_that_closed_again_is_well(client):
    Breaker.objects.create(name=EMAIL)

    assert down(client) == []


@pytest.mark.parametrize("status", ["queued", "leased"])
@pytest.mark.usefixtures("_well")
def test_a_delivery_that_should_be_gone_is_named_with_its_moment(client, alice, status):
    lease = {"lease_token": "7b8a3a8e-1c2d-4e5f-8a9b-0c1d2e3f4a5b", "lease_until": timezone.now()}
    times = {"not_before": ago(150), "created_at": ago(150)}
    late = make_delivery(make_task(alice), status=status, **times, **(lease if status == "leased" else {}))

    assert down(client) == ["deliveries"]
    assert f"{late.not_before:%H:%M:%S}" in client.get("/healthz/reminders").json()["checks"]["deliveries"]


@pytest.mark.usefixtures("_well")
def test_a_disk_with_less_than_is_kept_is_named_and_takes_nobody_along(client, settings):
    settings.DISK_RESERVE_BYTES = 2**60

    assert down(client) == ["disk"]
    assert client.get("/readyz").status_code == 200


@pytest.mark.usefixtures("_well")
def test_a_disk_that_cannot_be_written_is_named(client, settings, tmp_path):
    (tmp_path / "file").write_text("")
    settings.DATA_DIR = tmp_path / "file" / "data"

    assert down(client) == ["disk"]


def test_probes_of_the_disk_at_the_same_time_do_not_take_each_other_for_its_silence():
    with ThreadPoolExecutor(8) as pool:
        said = set(pool.map(lambda _: probes.disk(), range(200)))

    assert said == {""}


@pytest.mark.usefixtures("_well")
def test_it_costs_the_same_whatever_is_there(client, alice):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get("/healthz/reminders")
        return len(queries)

    cost()  # the first one writes, for a while
    before = cost()
    for _ in range(20):
        make_delivery(make_task(alice), status="sent")

    assert cost() == before


@pytest.mark.django_db
def test_the_checks_are_for_everybody_and_are_not_kept_by_caches(client):
    for path in ("/readyz", "/healthz/reminders"):
        assert "no-store" in client.get(path)["Cache-Control"]
