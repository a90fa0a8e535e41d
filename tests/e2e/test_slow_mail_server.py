"""A worker whose mail server takes long to answer goes on with everything else, and does not lose the answer."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.broker import quiet_broker
from tests.e2e.service import Service, broker_url
from tests.waiting import eventually

SLOW = "root@example.org"


@pytest.fixture(scope="module")
def service(mail, tmp_path_factory):
    """Web and beat; each test starts a worker of one process."""
    with (
        quiet_broker(broker_url(number=5)),
        Service(
            tmp_path_factory.mktemp("data"), EMAIL_URL=mail.url, WORKER_CONCURRENCY="1", DELIVERY_LEASE_SECONDS="3",
            WORKER_STOP_SECONDS="20",
        ) as service,
    ):  # fmt: skip
        service.start("web", "celery-beat")
        service.sign_in()
        yield service


@pytest.fixture(autouse=True)
def _clean(service, mail) -> Iterator[None]:
    """Each test begins without tasks and with a slow server, and leaves no worker behind."""
    service.delete_tasks()
    mail.accepted.clear()
    mail.taken.clear()
    mail.hold("DATA", SLOW)
    yield
    mail.release()
    with psycopg.connect(service.database_url) as database:
        database.execute("UPDATE auth_user SET email = %s", [SLOW])
    for name in service.processes.keys() - {"web", "celery-beat"}:
        service.stop(name)


def add_task(service, title: str) -> None:
    due_at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    service.api("POST", "tasks/", {"title": title, "due_at": due_at})


def delivery(service, number: int = 0) -> dict:
    return sorted(service.deliveries(), key=lambda each: each["id"])[number]


def steps(service) -> list[str]:
    return [entry["step"] for entry in delivery(service)["history"]]


def begin(service, mail, **environ: str) -> None:
    """A worker has sent a message, its job is over, and the answer is waited for."""
    add_task(service, "Slow")
    service.start("celery-worker", **environ)
    eventually(lambda: mail.waiting, within=60)
    eventually(lambda: "waiting" in steps(service))


def test_the_only_process_plans_and_sends_while_an_answer_is_out(service, mail):
    begin(service, mail)
    with psycopg.connect(service.database_url) as database:
        database.execute("UPDATE auth_user SET email = 'quick@example.org'")
    add_task(service, "Quick")

    eventually(lambda: [message["To"] for message in mail.accepted] == ["quick@example.org"])
    assert delivery(service)["status"] == "leased"
    mail.release()
    eventually(lambda: delivery(service)["status"] == "sent")

    assert steps(service) == ["queued", "claimed", "waiting", "sent"]
    assert len(mail.accepted) == 2


def test_a_stop_waits_for_an_answer_that_comes_in_time(service, mail):
    begin(service, mail)
    worker = service.processes["celery-worker"]

    worker.send_signal(signal.SIGTERM)
    eventually(lambda: "Warm shutdown" in service.log("celery-worker"))
    mail.release()

    assert worker.wait(30) == 0
    assert delivery(service)["status"] == "sent"
    assert delivery(service)["unknown_outcome"] is False


def test_a_stop_marks_what_has_no_answer_by_then(service, mail):
    begin(service, mail, WORKER_STOP_SECONDS="1")
    worker = service.processes["celery-worker"]

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(30) == 0
    assert (delivery(service)["status"], delivery(service)["unknown_outcome"]) == ("queued", True)
    assert steps(service)[-1] == "outcome unknown"
