"""Files through real processes: uploaded over HTTP, scanned by a real clamd, and fetched."""

import json
import secrets
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.attachments.pictures import jpeg
from tests.broker import quiet_broker
from tests.clamav import EICAR, ClamAV
from tests.e2e.service import Service, broker_url
from tests.waiting import eventually

pytestmark = pytest.mark.system("clamav-daemon")


@pytest.fixture(scope="module")
def scanner(tmp_path_factory):
    with ClamAV(tmp_path_factory.mktemp("clamd")) as clamd:
        yield clamd


@pytest.fixture(scope="module")
def service(tmp_path_factory, scanner: ClamAV):
    directory = tmp_path_factory.mktemp("files")
    with quiet_broker(broker_url(number=5)), Service(directory, CLAMD_URL=scanner.url) as service:
        service.start("web", "celery-worker", "celery-beat")
        service.sign_in()
        yield service


def upload(service: Service, name: str, content: bytes) -> dict[str, Any]:
    task = service.api("POST", "tasks/", {"title": "With a file"})
    boundary = secrets.token_hex(16)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    answer = fetch(
        service, f"tasks/{task['id']}/attachments/", data=head.encode() + content + f"\r\n--{boundary}--\r\n".encode(),
        **{"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )  # fmt: skip
    assert answer[0] == 201, answer
    return json.loads(answer[1])


def fetch(service: Service, path: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    url = path if path.startswith("http") else f"{service.url}/api/v1/{path}"
    request = Request(url, data=data, headers={"Authorization": f"Bearer {service.token}", **headers})
    try:
        with urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except HTTPError as error:
        return error.code, error.read()


def state(service: Service, attachment: dict[str, Any]) -> str:
    return service.api("GET", f"attachments/{attachment['id']}/")["state"]


def test_a_photo_is_ready_with_its_thumbnails_within_seconds_and_comes_back_as_it_was(service):
    content = jpeg(4000, 3000)

    attachment = upload(service, "photo.jpg", content)

    eventually(lambda: state(service, attachment) == "ready", within=15)
    assert fetch(service, attachment["content_url"]) == (200, content)
    shown = service.api("GET", f"attachments/{attachment['id']}/")
    for thumbnail in shown["thumbnails"]:
        assert fetch(service, thumbnail["url"])[1][8:12] == b"WEBP"


def test_a_virus_ends_infected_cannot_be_fetched_and_its_owner_is_told(service):
    attachment = upload(service, "virus.txt", EICAR)

    eventually(lambda: state(service, attachment) == "infected", within=15)

    assert fetch(service, attachment["content_url"])[0] == 403
    mails = eventually(lambda: quarantine_mails(service.data_dir), within=15)
    assert "virus.txt" in mails[0]
    (delivery,) = service.api("GET", f"deliveries/?task={attachment['task']}")["results"]
    assert (delivery["status"], delivery["attachment"]) == ("sent", attachment["id"])


def quarantine_mails(data_dir: Path) -> list[str]:
    mails = [path.read_text() for path in (data_dir / "outbox").glob("*.eml")]
    return [mail for mail in mails if "Subject: Quarantined" in mail]


def test_with_the_scanner_stopped_a_file_waits_and_goes_on_when_it_is_back(service, scanner):
    scanner.stop()
    attachment = upload(service, "note.txt", b"Some text.\n")

    shown = eventually(lambda: waiting(service, attachment), within=15)
    assert fetch(service, attachment["content_url"])[0] == 409
    assert "cannot be reached" in shown["reason"]

    scanner.start()
    eventually(lambda: state(service, attachment) == "ready", within=60)
    assert fetch(service, attachment["content_url"]) == (200, b"Some text.\n")


def waiting(service: Service, attachment: dict[str, Any]) -> dict[str, Any] | None:
    shown = service.api("GET", f"attachments/{attachment['id']}/")
    return shown if shown["reason"] else None


EXPECTED = ["scanner unavailable", "transport parked", "Forbidden", "Conflict", '"code": 40']
"""What was caused on purpose: a scanner that was stopped, and requests that were refused."""


def test_nothing_else_of_that_was_worth_a_complaint(service):
    unexpected = [line for line in service.complaints() if not any(words in line for words in EXPECTED)]

    assert unexpected == []
