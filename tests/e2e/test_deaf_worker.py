"""A worker that is alive and takes no messages ends by itself; a busy one, and one whose broker is away, live on."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from celery import Celery
from redis import Redis

from launcher.processes import born
from tests.broker import QUEUES, OwnBroker
from tests.e2e.service import Service
from tests.waiting import eventually

COMPLAINT = "this worker takes no messages"

LONGER_THAN_THE_WATCHDOG_WAITS = 32


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with OwnBroker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def frozen_broker(tmp_path_factory):
    with OwnBroker(tmp_path_factory.mktemp("frozen broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def service(mail, broker, tmp_path_factory):
    """Under the supervisor of `make run`."""
    with Service(tmp_path_factory.mktemp("data"), EMAIL_URL=mail.url, REDIS_URL=broker.url()) as service:
        service.start("run")
        service.sign_in()
        remind(service, "Everything is well")
        yield service


def celery_of(url: str) -> Celery:
    return Celery(broker=url, set_as_current=False)


def add_task(service, title: str) -> int:
    due_at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    return service.api("POST", "tasks/", {"title": title, "due_at": due_at})["id"]


def remind(service, title: str) -> None:
    """Add a task, and wait for its reminder."""
    task = add_task(service, title)
    eventually(lambda: service.deliveries(task=task, status="sent"), within=60)


def pids_of(celery: Celery) -> list[int]:
    """The only worker's parent and children."""
    (stats,) = eventually(celery.control.inspect().stats).values()
    return [stats["pid"], *stats["pool"]["processes"]]


class Worker:
    """One with jobs and commands that hang, on a broker's database of its own."""

    def __init__(self, service, name: str, url: str) -> None:
        self.name = f"hanging-worker#{name}"
        self.celery = celery_of(url)
        self.url = url
        self.service = service
        service.start(self.name, REDIS_URL=url)
        self.process = service.processes[self.name]

    def run(self, job: str, *arguments: str, times: int = 1) -> None:
        for _ in range(times):
            self.celery.send_task(job, arguments, queue="celery")

    def waiting(self) -> int:
        with Redis.from_url(self.url) as redis:
            return redis.llen("celery")


@pytest.fixture(scope="module")
def workers(service, broker, frozen_broker, tmp_path_factory) -> Iterator[dict[str, Worker]]:
    """Three workers in trouble, all from the same moment on, which the tests then look at."""
    done = tmp_path_factory.mktemp("done") / "done"
    workers = {
        "stuck": Worker(service, "stuck", broker.url(1)),
        "busy": Worker(service, "busy", broker.url(2)),
        "cut off": Worker(service, "cut off", frozen_broker.url()),
    }
    for worker in workers.values():
        eventually(worker.celery.control.ping)
    workers["stuck"].celery.control.broadcast("hang")
    eventually(lambda: "hanging" in service.log(workers["stuck"].name).split("ready.")[1])
    workers["stuck"].run("schedules.prune_results", times=2)  # a read that was begun may still swallow the first
    workers["busy"].run("tests.run_until", str(done), times=3)
    frozen_broker.freeze()
    troubled_at = monotonic()
    workers["over"] = lambda: monotonic() > troubled_at + LONGER_THAN_THE_WATCHDOG_WAITS
    yield workers
    done.touch()


@pytest.mark.usefixtures("workers")
def test_a_deaf_worker_ends_by_itself_and_its_reminder_arrives_within_a_minute(service, broker):
    celery = celery_of(broker.url())
    pids = pids_of(celery)
    for queue in QUEUES:
        celery.control.cancel_consumer(queue, reply=True)

    assert celery.control.ping()  # alive, and deaf
    remind(service, "Nobody hears this")

    assert [pid for pid in pids if born(pid)] == []
    assert COMPLAINT in service.log("run")
    assert 'taskapp_steps_total{kind="worker",step="deaf"}' in service.get("/metrics")[1]


def test_a_worker_whose_main_thread_hangs_ends_by_itself(service, workers):
    stuck = workers["stuck"]

    assert eventually(lambda: stuck.process.poll() is not None, within=60)

    assert stuck.process.returncode == 1
    assert COMPLAINT in service.log(stuck.name)
    assert stuck.waiting() > 0


def test_a_busy_worker_with_a_full_queue_lives_on(service, workers):
    busy = workers["busy"]

    eventually(workers["over"], within=60)

    assert busy.waiting() == 2
    assert COMPLAINT not in service.log(busy.name)
    assert busy.process.poll() is None


def test_a_worker_whose_broker_is_frozen_lives_on_and_works_when_it_is_back(service, workers, frozen_broker):
    cut_off = workers["cut off"]
    eventually(workers["over"], within=60)

    frozen_broker.thaw()
    cut_off.run("schedules.prune_results")

    eventually(lambda: cut_off.waiting() == 0, within=60)
    assert cut_off.process.poll() is None
    assert COMPLAINT not in service.log(cut_off.name)


def test_a_broker_that_is_killed_under_a_running_job_costs_no_reminder_and_less_than_a_minute(service, mail, broker):
    is_sending, go_on = threading.Event(), threading.Event()
    mail.before_data = lambda: (is_sending.set(), go_on.wait(60))
    sent_meanwhile = add_task(service, "Being sent when the broker dies")
    assert is_sending.wait(60)

    broker.kill()
    mail.before_data = lambda: None
    go_on.set()
    added_meanwhile = add_task(service, "Added while there is no broker")
    broker.start()

    for task in (sent_meanwhile, added_meanwhile):
        eventually(lambda task=task: service.deliveries(task=task, status="sent"), within=60)
    assert not any(delivery["unknown_outcome"] for delivery in service.deliveries())
    assert len(mail.accepted) == len(service.deliveries())
