"""PostgreSQL restarts, crashes, cuts connections, moves and freezes; nobody has to be restarted for it.

All the while the first of its hosts is powered off, and says nothing to whoever asks it.
"""

import json
import signal
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from launcher import ports
from tests.broker import quiet_broker
from tests.database import OwnDatabase
from tests.e2e.service import Service, broker_url
from tests.silence import silent
from tests.waiting import eventually

TASKS = 6

NOT_OVER = "SELECT count(*) FROM reminders_delivery WHERE status IN ('queued', 'leased')"
PULSE = "SELECT answered_at FROM work_bell WHERE name = 'beat'"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    with OwnDatabase(tmp_path_factory.mktemp("database")) as database:
        yield database


@pytest.fixture(scope="module")
def other_port() -> int:
    return ports.pick()


@pytest.fixture(scope="module")
def service(mail, database, other_port, tmp_path_factory):
    """It knows the database by three addresses: one is silent, one is served, and one refuses."""
    with (
        silent() as powered_off,
        quiet_broker(broker_url(number=5)),
        Service(
            tmp_path_factory.mktemp("data"),
            DATABASE_URL=database.url_with_hosts(powered_off, database.port, other_port),
            EMAIL_URL=mail.url,
            DELIVERY_LEASE_SECONDS="20",
        ) as service,
    ):
        service.start("web", "celery-worker", "celery-beat")
        service.sign_in()
        yield service


def restart_fast(database: OwnDatabase, other_port: int) -> None:
    database.restart(signal.SIGINT)


def crash(database: OwnDatabase, other_port: int) -> None:
    database.restart(signal.SIGQUIT)


def cut_all_connections(database: OwnDatabase, other_port: int) -> None:
    others = "usename = current_user AND pid <> pg_backend_pid()"
    database.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")


def fail_over(database: OwnDatabase, other_port: int) -> None:
    database.move(other_port)


def add_task(service, title: str) -> int:
    due_at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    return service.api("POST", "tasks/", {"title": title, "due_at": due_at})["id"]


def test_a_host_that_is_silent_fails_no_probe_and_delays_no_job(service):
    """Each job has a session of its own; a reminder needs three."""
    eventually(lambda: service.get("/healthz/reminders")[0] == 200)

    probes = [timed(service, path) for _ in range(20) for path in ("/readyz", "/healthz/reminders")]
    began = monotonic()
    for number in range(TASKS):
        task = add_task(service, f"Task {number}")
        eventually(lambda task=task: service.deliveries(task=task, status="sent"))
    took = (monotonic() - began) / TASKS

    assert {status for _, status, _ in probes} == {200}
    assert took < 3


@pytest.mark.parametrize("happens", [restart_fast, crash, cut_all_connections, fail_over])
def test_what_happens_to_the_database_costs_no_reminder_and_no_process(service, mail, database, other_port, happens):
    mail.accepted.clear()
    is_sending, go_on = threading.Event(), threading.Event()
    mail.before_data = lambda: (is_sending.set(), go_on.wait(60))
    tasks = {
        add_task(service, f"{happens.__name__} {number}"): f"{happens.__name__} {number}" for number in range(TASKS)
    }
    assert is_sending.wait(60)

    happens(database, other_port)
    mail.before_data = lambda: None
    go_on.set()
    afterwards = f"after {happens.__name__}"
    tasks[eventually(lambda: add_task(service, afterwards))] = afterwards

    eventually(lambda: all(service.deliveries(task=task, status="sent") for task in tasks), within=60)
    assert database.sql(NOT_OVER) == [(0,)]
    last_pulse = database.sql(PULSE)
    eventually(lambda: database.sql(PULSE) > last_pulse)
    assert [name for name, process in service.processes.items() if process.poll() is not None] == []
    copies = Counter(message["Subject"].split(": ")[-1] for message in mail.accepted)
    assert copies == Counter(tasks.values())
    assert not [task for task in tasks if service.deliveries(task=task)[0]["unknown_outcome"]]


def test_while_the_database_is_stopped_requests_are_503(service, database):
    database.stop(signal.SIGINT)
    try:
        with pytest.raises(AssertionError, match=r"503 .*The database does not answer"):
            service.api("GET", "tasks/")
        assert service.get("/accounts/login/")[0] == 200
    finally:
        database.start()

    assert eventually(lambda: "results" in service.api("GET", "tasks/"))


def test_health_answers_in_seconds_while_the_database_is_frozen(service, database):
    eventually(lambda: service.get("/healthz/reminders")[0] == 200)

    with database.frozen():
        answers = [timed(service, path) for path in ("/healthz/reminders", "/healthz/reminders", "/readyz", "/healthz")]

    for seconds, status, body in answers[:3]:
        assert (status, json.loads(body)["down"]) == (503, ["database"])
        assert seconds < 10
    assert max(seconds for seconds, *_ in answers[1:]) < answers[0][0] / 2  # one waits; the others are told at once
    assert answers[3][1] == 200
    eventually(lambda: service.get("/healthz/reminders")[0] == 200)


def timed(service, path: str) -> tuple[float, int, str]:
    began = monotonic()
    status, body = service.get(path)
    return monotonic() - began, status, body
