"""PostgreSQL's answer to a commit is lost: whether the file has its row, nobody here knows. It is kept if it has."""

from contextlib import suppress
from pathlib import Path

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connection

from attachments.erasing import erase
from attachments.files import StoredFile
from attachments.models import Attachment, Erasure, Scan, Thumbnail, Thumbnailing
from attachments.processing import process
from tests.attachments.pictures import jpeg
from tests.attachments.storage import files_in
from tests.factories import make_task, upload_file
from work.insisting import DATABASE_AWAY
from work.step import clock

ROW = 'INSERT INTO "attachments_scan"'
THUMBNAILS = 'INSERT INTO "attachments_thumbnail"'


@pytest.fixture(autouse=True)
def _no_scanner(settings) -> None:
    settings.SCAN_POLICY = "off"


def test_a_file_whose_row_was_committed_is_kept(wire, alice, stored: Path):
    wire.break_at(ROW, "COMMIT")
    with pytest.raises(OperationalError):
        upload_file(make_task(alice), b"Some text.\n")

    erase()

    with StoredFile(Attachment.objects.get().key) as file:
        assert file.read() == b"Some text.\n"
    assert not Erasure.objects.exists()


def test_a_file_whose_row_was_not_committed_goes_after_an_hour(wire, alice, stored: Path):
    wire.break_at(ROW, "COMMIT", is_carried_out=False)
    with pytest.raises(OperationalError):
        upload_file(make_task(alice), b"Some text.\n")

    assert not Attachment.objects.exists()
    assert (erase(), len(files_in(stored))) == (0, 1)
    Erasure.objects.update(not_before=clock())
    assert (erase(), files_in(stored)) == (1, [])


def test_thumbnails_whose_rows_were_committed_are_kept(wire, alice, stored: Path):
    upload_file(make_task(alice), jpeg(), name="photo.jpg")
    process(go_on=0)
    wire.break_at(THUMBNAILS, "COMMIT")
    with pytest.raises(OperationalError):
        process(go_on=0)

    erase()

    assert Thumbnail.objects.count() == 2
    for thumbnail in Thumbnail.objects.all():
        with StoredFile(thumbnail.key) as file:
            assert len(file.read()) == thumbnail.bytes
    assert not Erasure.objects.exists()


def test_thumbnails_are_kept_though_the_job_is_ended_just_after_the_commit(committed_db, alice, stored: Path, at_point):
    def end() -> None:
        raise SoftTimeLimitExceeded

    upload_file(make_task(alice), jpeg(), name="photo.jpg")
    process(go_on=0)
    at_point("thumbnailing settled", end)
    with pytest.raises(SoftTimeLimitExceeded):
        process(go_on=0)

    erase()

    assert {str(path.relative_to(stored)) for path in files_in(stored)} >= {
        each.key for each in Thumbnail.objects.all()
    }
    assert Thumbnail.objects.count() == 2


def test_thumbnails_whose_rows_were_not_committed_are_drawn_again(wire, alice, stored: Path):
    attachment = upload_file(make_task(alice), jpeg(), name="photo.jpg")
    process(go_on=0)
    wire.break_at(THUMBNAILS, "COMMIT", is_carried_out=False)
    with pytest.raises(OperationalError):
        process(go_on=0)

    Thumbnailing.objects.update(lease_until=clock())
    process(go_on=10)
    Erasure.objects.update(not_before=clock())
    erase()

    attachment.refresh_from_db()
    keys = {attachment.key, *Thumbnail.objects.values_list("key", flat=True)}
    assert (attachment.state, len(keys)) == ("ready", 3)
    assert {str(path.relative_to(stored)) for path in files_in(stored)} == keys


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
@pytest.mark.parametrize("is_carried_out", [True, False], ids=["answer lost", "never heard"])
def test_whichever_request_it_is_no_file_is_lost_or_left_over(wire, alice, stored: Path, is_carried_out, step):
    number, has_broken = 1 - step, True
    task = make_task(alice)
    while has_broken:
        number += step
        wire.break_after(number, is_carried_out=is_carried_out)
        with suppress(*DATABASE_AWAY):
            upload_file(task, jpeg(), name="photo.jpg")
            process(go_on=10)
        has_broken = wire.has_broken
        wire.mend()
        connection.close()

        until_all_are_ready()

        keys = {*Attachment.objects.values_list("key", flat=True), *Thumbnail.objects.values_list("key", flat=True)}
        assert {str(path.relative_to(stored)) for path in files_in(stored)} == keys, f"after {number} requests"
        assert len(keys) == 3 * Attachment.objects.count(), f"after {number} requests"
        task = make_task(alice)
    assert number > 20
    assert Attachment.objects.count() > number / step / 2


def until_all_are_ready() -> None:
    """What other workers do, once leases and waits are over, and an hour later."""
    for stage in (Scan, Thumbnailing):
        stage.objects.filter(status="leased").update(lease_until=clock())
        stage.objects.filter(status="queued").update(not_before=clock())
    process(go_on=10)
    Erasure.objects.update(not_before=clock())
    erase()
    assert not Attachment.objects.exclude(state="ready").exists()
