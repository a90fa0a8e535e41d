"""What becomes of the deliveries that a worker has claimed, when a deploy stops it and when it is killed."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.broker import quiet_broker
from tests.e2e.service import Service, broker_url
from tests.waiting import eventually

CLAIMED = 5


@pytest.fixture(scope="module")
def service(mail, tmp_path_factory):
    """Web and beat; each test starts the worker that it stops."""
    with (
        quiet_broker(broker_url(number=5)),
        Service(
            tmp_path_factory.mktemp("data"), EMAIL_URL=mail.url, WORKER_CONCURRENCY="1", EMAIL_CONNECTIONS="1"
        ) as service,
    ):
        service.start("web", "celery-beat")
        service.sign_in()
        yield service


@pytest.fixture(autouse=True)
def _clean(service, mail) -> Iterator[None]:
    """Each test begins without tasks, and leaves no worker behind."""
    service.delete_tasks()
    mail.accepted.clear()
    yield
    for name in service.processes.keys() - {"web", "celery-beat"}:
        service.stop(name)


class HeldBack:
    """The mail server answers the first message and lets the second wait, until it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.is_waiting, self.let_go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.begun += 1
        if self.begun == 2:
            self.is_waiting.set()
            self.let_go.wait(60)


@contextmanager
def second_message_held_back(mail) -> Iterator[HeldBack]:
    mail.before_data = held_back = HeldBack()
    try:
        yield held_back
    finally:
        held_back.let_go.set()
        mail.before_data = lambda: None


def add_tasks(service) -> None:
    due_at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    for number in range(CLAIMED):
        service.api("POST", "tasks/", {"title": f"Task {number}", "due_at": due_at})


def last_steps(service) -> list[str]:
    return sorted(delivery["history"][-1]["step"] for delivery in service.deliveries())


def arrived(mail) -> list[str]:
    """The tasks that were announced, in their order, each as often as it was."""
    return sorted(message["Subject"].split("Task ")[1][0] for message in mail.accepted)


def all_are_sent(service) -> bool:
    return [delivery["status"] for delivery in service.deliveries()] == ["sent"] * CLAIMED


@pytest.mark.parametrize(
    ("pool", "remap"), [("prefork", ""), ("prefork", "SIGQUIT"), ("threads", "SIGQUIT"), ("solo", "SIGQUIT")]
)
def test_a_stop_lets_one_message_end_and_hands_back_the_rest_at_once(service, mail, pool, remap):
    add_tasks(service)
    with second_message_held_back(mail) as held_back:
        service.start("celery-worker", options=["-P", pool], REMAP_SIGTERM=remap)
        assert held_back.is_waiting.wait(60)

        worker = service.processes["celery-worker"]
        worker.send_signal(signal.SIGTERM)
        eventually(lambda: "Warm shutdown" in service.log("celery-worker"))
        held_back.let_go.set()
        assert worker.wait(30) == 0

    assert last_steps(service) == ["handed back"] * (CLAIMED - 2) + ["sent"] * 2
    assert not any(delivery["unknown_outcome"] or delivery["attempts"] for delivery in service.deliveries())


def test_what_was_handed_back_is_sent_once_by_the_next_worker(service, mail):
    add_tasks(service)
    with second_message_held_back(mail) as held_back:
        service.start("celery-worker", REMAP_SIGTERM="SIGQUIT")
        assert held_back.is_waiting.wait(60)
        os.killpg(service.processes["celery-worker"].pid, signal.SIGTERM)  # as some platforms do: to the children, too
        service.start("celery-worker#next")
        held_back.let_go.set()

        eventually(lambda: all_are_sent(service))

    assert arrived(mail) == list("01234")


def test_what_a_killed_worker_had_claimed_is_sent_once_its_lease_is_over(service, mail):
    add_tasks(service)
    with second_message_held_back(mail) as held_back:
        service.start("celery-worker", DELIVERY_LEASE_SECONDS="5")
        assert held_back.is_waiting.wait(60)
        os.killpg(service.processes["celery-worker"].pid, signal.SIGKILL)
        service.stop("celery-worker")
    steps = last_steps(service)
    assert steps.count("sent") == 1
    assert {*steps} <= {"claimed", "handed back", "sent"}

    service.start("celery-worker#next")
    eventually(lambda: all_are_sent(service))

    assert arrived(mail) == list("01234")
    (in_doubt,) = [delivery for delivery in service.deliveries() if delivery["unknown_outcome"]]
    assert [entry["step"] for entry in in_doubt["history"]] == ["queued", "claimed", "lease expired", "claimed", "sent"]
