"""The database's host is powered off under open sessions, and the next in DATABASE_URL has what it had."""

import json
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from tests.broker import quiet_broker
from tests.database import OwnDatabase
from tests.e2e.service import Service, broker_url
from tests.network import OtherHost, may_make_hosts
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.system("iproute2")]


@pytest.fixture
def database(tmp_path_factory):
    with OwnDatabase(tmp_path_factory.mktemp("database")) as database:
        yield database


@pytest.fixture
def first_host(database):
    if not may_make_hosts():
        pytest.skip("this user may not make network namespaces")
    with OtherHost(database.port) as host:
        yield host


@pytest.fixture
def service(mail, database, first_host, tmp_path_factory):
    own = f"127.0.0.1:{database.port}"
    with (
        quiet_broker(broker_url(number=5)),
        Service(
            tmp_path_factory.mktemp("data"),
            DATABASE_URL=f"{database.url.replace(own, f'{first_host.address},{own}')}?gssencmode=disable",
            EMAIL_URL=mail.url,
        ) as service,
    ):
        service.start("web", "celery-worker", "celery-beat")
        service.sign_in()
        yield service


def remind(service, title: str) -> None:
    due_at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    task = service.api("POST", "tasks/", {"title": title, "due_at": due_at})["id"]
    eventually(lambda: service.deliveries(task=task, status="sent"), within=60)


def test_open_sessions_are_given_up_soon_and_new_ones_go_to_the_next_host(service, first_host):
    remind(service, "Before")
    down: list[list[str]] = []

    def is_ready() -> bool:
        status, body = service.get("/readyz")
        down.append(json.loads(body)["down"])
        return status == 200

    first_host.power_off()
    began = monotonic()
    eventually(lambda: not is_ready())
    eventually(is_ready, within=60)
    took = monotonic() - began
    remind(service, "Afterwards")

    assert took < 20  # with TCP's own timeouts a quarter of an hour, and 40 s with those of libpq that we had
    assert {part for parts in down for part in parts} == {"database"}
    assert [name for name, process in service.processes.items() if process.poll() is not None] == []
