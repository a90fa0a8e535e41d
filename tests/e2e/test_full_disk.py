"""DATA_DIR is full when the service starts: its reminders go out by SMTP all the same."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.broker import quiet_broker
from tests.e2e.service import Service, broker_url
from tests.small_disk import NEEDS, can_mount, filled, small_disk
from tests.waiting import eventually


@pytest.mark.skipif(not can_mount(), reason=NEEDS)
def test_on_a_full_disk_reminders_go_out_and_health_names_it(mail, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    with (
        small_disk(disk, megabytes=128),
        quiet_broker(broker_url(number=5)),
        Service(tmp_path, EMAIL_URL=mail.url, DATA_DIR=str(disk)) as service,
    ):
        with filled(disk):
            service.start("web", "celery-worker", "celery-beat")
            service.sign_in()
            due_at = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
            task = service.api("POST", "tasks/", {"title": "Buy a disk", "due_at": due_at})["id"]
            eventually(lambda: service.deliveries(task=task, status="sent"), within=60)

            assert json.loads(service.get("/healthz/reminders")[1])["down"] == ["disk"]

        assert service.get("/healthz/reminders")[0] == 200
        assert [name for name, process in service.processes.items() if process.poll() is not None] == []
