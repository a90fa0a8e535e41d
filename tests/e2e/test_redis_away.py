"""Redis is a doorbell: while it is away, requests are answered as ever, and the work is done when it is back."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar
from statistics import median
from time import monotonic
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import psycopg
import pytest
from redis import Redis

from tests.broker import OwnBroker
from tests.e2e.service import PASSWORD, Service
from tests.silence import silent
from tests.waiting import eventually

TIMES_SLOWER = 5
SECONDS_AT_MOST = 2.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with OwnBroker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def service(mail, broker, tmp_path_factory):
    with Service(tmp_path_factory.mktemp("data"), EMAIL_URL=mail.url, REDIS_URL=broker.url()) as service:
        service.start("web", "celery-worker", "celery-beat#at first")
        service.sign_in()
        yield service


@contextmanager
def refused(broker: OwnBroker) -> Iterator[None]:
    broker.kill()
    try:
        yield
    finally:
        broker.start()


@contextmanager
def frozen(broker: OwnBroker) -> Iterator[None]:
    broker.freeze()
    try:
        yield
    finally:
        broker.thaw()


@contextmanager
def black_hole(broker: OwnBroker) -> Iterator[None]:
    """Whoever connects hears nothing, not even a refusal: the queue of connections that nobody accepts is full."""
    with refused(broker), silent(broker.port):
        yield


class Admin:
    """The admin in a browser, signed in."""

    def __init__(self, service) -> None:
        self.url = f"{service.url}/admin/"
        self.cookies = CookieJar()
        self.browser = build_opener(HTTPCookieProcessor(self.cookies))
        self.post("login/", username="root", password=PASSWORD)

    def post(self, path: str, **fields: str) -> str:
        """Fill the form at `path`, and return where that leads."""
        if not self.cookies:
            self.browser.open(self.url + path, timeout=30).close()
        (token,) = [cookie.value for cookie in self.cookies if cookie.name == "csrftoken"]
        data = urlencode({**fields, "csrfmiddlewaretoken": token}).encode()
        with self.browser.open(self.url + path, data, timeout=30) as page:
            return page.url

    def add_task(self, title: str) -> None:
        due_on, _, due_at = due_in(3).partition("T")
        to = self.post(
            "taskapp/task/add/", owner="1", title=title, status="todo", priority="medium", timezone="UTC",
            due_at_0=due_on, due_at_1=due_at[:8],
        )  # fmt: skip
        assert to.endswith("/admin/taskapp/task/")


def due_in(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def seconds(request: Callable[..., object], *arguments: object, **fields: str) -> float:
    began = monotonic()
    request(*arguments, **fields)
    return monotonic() - began


def requests(service, admin: Admin) -> Iterator[float]:
    """What people do that makes work, in all its ways; for each the seconds it took."""
    (schedule,) = service.api("GET", "schedules/?search=prune-sign-ins")["results"]
    for _ in range(3):
        task = service.api("POST", "tasks/", {"title": "Changing", "due_at": due_in(90)})["id"]
        yield seconds(service.api, "POST", "tasks/", {"title": "Added by the API", "due_at": due_in(3)})
        yield seconds(service.api, "PATCH", f"tasks/{task}/", {"due_at": due_in(80)})
        yield seconds(service.api, "POST", f"tasks/{task}/complete/")
        yield seconds(service.api, "DELETE", f"tasks/{task}/")
        yield seconds(service.api, "POST", f"schedules/{schedule['id']}/run/")
        yield seconds(admin.add_task, "Added in the admin")


def refused_delivery(service, mail) -> int:
    """One that failed, and waits for somebody to retry it."""
    mail.answers["RCPT"] = "550 no such user"
    task = service.api("POST", "tasks/", {"title": "Refused at first", "due_at": due_in(3)})["id"]
    (delivery,) = eventually(lambda: service.deliveries(task=task, status="failed"))
    mail.answers.clear()
    return delivery["id"]


def one(service, sql: str) -> object:
    with psycopg.connect(service.database_url) as database:
        return database.execute(sql).fetchone()[0]


WAITING = """
    SELECT (SELECT count(*) FROM reminders_taskchange)
         + (SELECT count(*) FROM reminders_reminder WHERE status = 'planned' AND remind_at < now())
         + (SELECT count(*) FROM reminders_delivery WHERE status IN ('queued', 'leased'))
         + (SELECT count(*) FROM schedules_schedulerun WHERE kind = 'request' AND status = 'due')
"""
PULSE = "SELECT answered_at FROM work_bell WHERE name = 'beat'"


@pytest.mark.parametrize(
    "is_away",
    [
        frozen,
        pytest.param(refused, marks=pytest.mark.slow),
        pytest.param(black_hole, marks=pytest.mark.slow),
    ],
)
def test_while_redis_is_away_requests_are_as_fast_as_ever_and_the_work_is_done_afterwards(
    service, mail, broker, is_away
):
    admin = Admin(service)
    usually = median(requests(service, admin))
    delivery = refused_delivery(service, mail)
    eventually(lambda: one(service, WAITING) == 0)
    mail.accepted.clear()

    with is_away(broker):
        took = [*requests(service, admin), seconds(service.api, "POST", f"deliveries/{delivery}/retry/")]

        # A beat that has just started is not stuck in its first connection, but looks for work all the while.
        beat = f"celery-beat#{is_away.__name__}"
        service.stop(*(name for name in service.processes if "beat" in name))
        service.start(beat)
        eventually(lambda: "The broker is away" in service.log(beat), within=60)
        last_pulse = one(service, PULSE)
        eventually(lambda: one(service, PULSE) > last_pulse, within=60)

    assert median(took) < TIMES_SLOWER * usually
    assert max(took) < SECONDS_AT_MOST
    eventually(lambda: one(service, WAITING) == 0, within=60)
    told = sorted(message["Subject"].split(": ")[-1] for message in mail.accepted)
    assert told == ["Added by the API"] * 3 + ["Added in the admin"] * 3 + ["Refused at first"]


@contextmanager
def read_only(broker: OwnBroker) -> Iterator[None]:
    """It has become the replica of one that is away, as after a failover; it still answers PING."""
    with Redis.from_url(broker.url()) as redis:
        redis.replicaof("127.0.0.1", "1")
        yield
        redis.replicaof("NO", "ONE")


@contextmanager
def without_channels(broker: OwnBroker) -> Iterator[None]:
    """It lets us use no channel, as an ACL of Redis 7 does where nobody has thought of them."""
    with Redis.from_url(broker.url()) as redis:
        redis.execute_command("ACL", "SETUSER", "default", "resetchannels")
        yield
        redis.execute_command("ACL", "SETUSER", "default", "allchannels")


@pytest.mark.parametrize("refuses", [read_only, pytest.param(without_channels, marks=pytest.mark.slow)])
def test_a_redis_that_answers_and_refuses_is_named_and_ends_no_worker(service, broker, refuses):
    late = f"celery-worker#{refuses.__name__}"
    eventually(lambda: service.get("/healthz/reminders")[0] == 200, within=60)

    with refuses(broker):
        down = json.loads(service.get("/healthz/reminders")[1])["down"]
        service.start(late)
        eventually(lambda: service.log(late).count("Cannot connect to redis") >= 2, within=60)
        eventually(lambda: "Cannot connect to redis" in service.log("celery-worker"))

    assert down == ["broker"]
    eventually(lambda: "ready." in service.log(late), within=60)
    task = service.api("POST", "tasks/", {"title": "Afterwards", "due_at": due_in(3)})["id"]
    eventually(lambda: service.deliveries(task=task, status="sent"), within=60)
    assert [name for name, process in service.processes.items() if process.poll() is not None] == []
    service.stop(late)
