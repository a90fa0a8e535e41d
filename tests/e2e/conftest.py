"""A service that runs for the tests of a file."""

import os

import pytest

from tests.broker import quiet_broker
from tests.e2e.service import Service, broker_url
from tests.mail_server import MailServer


@pytest.fixture(scope="module")
def mail():
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def service(mail, tmp_path_factory):
    directory = tmp_path_factory.mktemp("service data")
    os.chmod(directory, 0o700)
    with (
        quiet_broker(broker_url(number=5)),
        Service(directory, EMAIL_URL=mail.url, EMAIL_FROM="Taskapp <reminders@tasks.example.org>") as service,
    ):
        service.start("web", "celery-worker", "celery-beat")
        service.sign_in()
        yield service
        assert service.complaints() == []
