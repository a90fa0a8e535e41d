"""A disk that is full, nearly full or read-only: uploads are refused with a sentence, and no file is to blame."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from attachments import processing
from attachments.erasing import erase
from attachments.models import Attachment, Thumbnailing
from config.env import attachment_storage
from tests.attachments.pictures import jpeg
from tests.attachments.storage import files_in
from tests.factories import make_attachment, make_task, make_user
from tests.small_disk import NEEDS, can_mount, filled, read_only, small_disk

pytestmark = pytest.mark.skipif(not can_mount(), reason=NEEDS)

MEGABYTE = 2**20


@pytest.fixture
def disk(settings, tmp_path: Path) -> Iterator[Path]:
    """Of 16 MB, of which uploads leave two."""
    place = tmp_path / "disk"
    place.mkdir()
    settings.DATA_DIR, settings.UPLOAD_DIR = place, place / "uploads"
    settings.STORAGES = {**settings.STORAGES, "attachments": attachment_storage("", place / "attachments")}
    settings.DISK_RESERVE_MB, settings.DISK_RESERVE_BYTES = 2, 2 * MEGABYTE
    with small_disk(place, megabytes=16):
        yield place


def upload(client, task, size: int):
    file = SimpleUploadedFile("a.txt", b"x" * size, "text/plain")
    return client.post(f"/api/v1/tasks/{task.pk}/attachments/", {"file": file}, format="multipart")


@pytest.mark.parametrize("state", [filled, read_only])
@pytest.mark.parametrize("size", [1024, 3 * MEGABYTE])
@pytest.mark.parametrize("reserve", [pytest.param(-(2**40), id="taken by others meanwhile"), 2 * MEGABYTE])
def test_an_upload_is_refused_and_can_be_tried_again(alice, api, disk, settings, state, size, reserve):
    settings.DISK_RESERVE_BYTES = reserve
    task = make_task(alice)

    with state(disk):
        response = upload(api(alice), task, size)

    assert (response.status_code, response["Content-Type"]) == (503, "application/problem+json")
    assert int(response["Retry-After"]) > 0
    assert not Attachment.objects.exists()
    assert upload(api(alice), task, size).status_code == 201


@pytest.mark.parametrize(("left", "size"), [(MEGABYTE, 1024), (2 * MEGABYTE, 1024), (4 * MEGABYTE, 3 * MEGABYTE)])
def test_an_upload_that_would_leave_less_than_is_kept_is_refused_and_leaves_nothing(alice, api, disk, left, size):
    task = make_task(alice)

    with filled(disk, but=left):
        response = upload(api(alice), task, size)

    assert response.status_code == 503
    assert "no room for another file" in response.json()["detail"]
    erase()
    assert files_in(disk) == []


def test_the_last_upload_that_fits_is_taken(alice, api, disk):
    with filled(disk, but=4 * MEGABYTE):
        assert upload(api(alice), make_task(alice), MEGABYTE).status_code == 201


@pytest.mark.parametrize("state", [filled, read_only])
def test_pages_say_so_too(alice, staff, disk, state):
    task = make_task(alice)
    person, administrator = Client(), Client()
    person.force_login(alice)
    administrator.force_login(staff)

    with state(disk):
        page = person.post(f"/tasks/{task.pk}/", {"upload": "yes", "file": BytesIO(b"x" * 1024)}, follow=True)
        form = administrator.post("/admin/attachments/attachment/add/", {"task": task.pk, "file": BytesIO(b"x" * 1024)})
        login = Client().post("/accounts/login/", {"username": "alice", "file": BytesIO(b"x" * 1024)})

    assert [page.status_code, form.status_code, login.status_code] == [200, 200, 200]
    assert "Try again later." in page.text
    assert "Try again later." in form.text


def clean_picture(task) -> Attachment:
    """What a scan has found clean, and no thumbnails are drawn of yet."""
    attachment = make_attachment(task, content=jpeg(640, 480), state="clean")
    Thumbnailing.objects.create(attachment=attachment, owner_id=task.owner_id)
    return attachment


@pytest.mark.parametrize("state", [filled, read_only])
def test_no_picture_is_to_blame_for_a_full_disk(committed_db, broker, disk, state):
    attachment = clean_picture(make_task(make_user("alice")))

    with state(disk):
        processing.process(go_on=0)

    stage = Thumbnailing.objects.get()
    assert (stage.status, stage.attempts) == ("queued", 0)
    Thumbnailing.objects.update(not_before=stage.created_at)
    processing.process(go_on=0)
    attachment.refresh_from_db()
    assert attachment.state == "ready"
