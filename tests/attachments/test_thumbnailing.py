"""From a clean picture to its thumbnails. What the drawing program makes of odd files is in test_drawing.py."""

import os
import signal
from pathlib import Path

import pytest

from attachments import files, thumbnailing
from attachments.models import Attachment, Erasure, Thumbnail, Thumbnailing
from attachments.processing import process
from attachments.services import rescan_attachment
from tests.attachments.pictures import jpeg, pdf
from tests.factories import make_task, upload_file
from work.step import clock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_scanner(settings) -> None:
    """These tests begin where the scan has ended."""
    settings.SCAN_POLICY = "off"


def until_ready(attachment: Attachment) -> Attachment:
    process(go_on=10)
    return Attachment.objects.select_related("thumbnailing").get(pk=attachment.pk)


@pytest.mark.parametrize(("content", "name"), [(jpeg(), "photo.jpg"), (pdf(), "letter.pdf")], ids=["JPEG", "PDF"])
def test_a_picture_and_the_first_page_of_a_pdf_get_two_thumbnails(alice, api, content, name):
    attachment = until_ready(upload_file(make_task(alice), content, name=name))

    assert (attachment.state, attachment.thumbnailing.status) == ("ready", "done")
    shown = api(alice).get(f"/api/v1/attachments/{attachment.pk}/").json()["thumbnails"]
    assert [(each["size"], max(each["width"], each["height"])) for each in shown] == [("small", 256), ("large", 1024)]
    for each in shown:
        answer = api(alice).get(each["url"])
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/webp")
        assert len(b"".join(answer.streaming_content)) == each["bytes"]


def test_the_file_can_be_fetched_before_its_thumbnails_are_there(alice, api):
    attachment = upload_file(make_task(alice), jpeg(), name="photo.jpg")

    process(go_on=0)

    assert Attachment.objects.get(pk=attachment.pk).state == "clean"
    answer = api(alice).get(f"/api/v1/attachments/{attachment.pk}/content/")
    assert (answer.status_code, b"".join(answer.streaming_content)) == (200, jpeg())


def test_a_picture_that_cannot_be_drawn_is_ready_without_thumbnails_and_says_why(alice):
    attachment = until_ready(upload_file(make_task(alice), jpeg()[:5_000], name="photo.jpg"))

    assert (attachment.state, attachment.thumbnailing.status) == ("ready", "failed")
    assert "truncated" in attachment.thumbnailing.reason
    assert not Thumbnail.objects.exists()


def test_what_is_no_picture_has_no_such_stage(alice):
    attachment = upload_file(make_task(alice))

    process(go_on=10)

    assert Attachment.objects.get(pk=attachment.pk).state == "ready"
    assert not Thumbnailing.objects.exists()


def test_a_program_that_takes_too_long_is_ended(alice, monkeypatch, tmp_path):
    monkeypatch.setattr(thumbnailing, "DRAWING_SECONDS", 0.2)
    monkeypatch.setattr(thumbnailing.drawing, "__file__", program(tmp_path, "import time; time.sleep(20)"))
    attachment = until_ready(upload_file(make_task(alice), jpeg(), name="photo.jpg"))

    assert attachment.state == "ready"
    assert attachment.thumbnailing.reason == "drawing it takes longer than 0.2 s"


def test_a_decoder_that_crashes_takes_nothing_with_it(alice, monkeypatch, tmp_path):
    crashing = program(tmp_path, f"import os; os.kill(os.getpid(), {signal.SIGSEGV:d})")
    monkeypatch.setattr(thumbnailing.drawing, "__file__", crashing)

    attachment = until_ready(upload_file(make_task(alice), jpeg(), name="photo.jpg"))

    assert (attachment.state, attachment.thumbnailing.status) == ("ready", "failed")
    assert attachment.thumbnailing.reason == "its decoder broke on it (SIGSEGV)"


def test_a_program_that_was_ended_from_outside_is_started_again(alice, monkeypatch, tmp_path):
    """As by the kernel, when the machine is out of memory: that says nothing about the file."""
    attachment = upload_file(make_task(alice), jpeg(), name="photo.jpg")
    with monkeypatch.context() as ended:
        code = f"import os; os.kill(os.getpid(), {signal.SIGKILL:d})"
        ended.setattr(thumbnailing.drawing, "__file__", program(tmp_path, code))
        first = until_ready(attachment)
    Thumbnailing.objects.update(not_before=clock())

    again = until_ready(attachment)

    assert (first.state, first.thumbnailing.status, first.thumbnailing.attempts) == ("clean", "queued", 1)
    assert (again.state, again.thumbnailing.status) == ("ready", "done")


def test_the_program_knows_nothing_of_the_services_environment(alice, monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_KEY", "a secret")
    said = tmp_path / "environment"
    code = f"import os, pathlib; pathlib.Path({str(said)!r}).write_text(repr(dict(os.environ))); raise SystemExit(3)"
    monkeypatch.setattr(thumbnailing.drawing, "__file__", program(tmp_path, code))

    until_ready(upload_file(make_task(alice), jpeg(), name="photo.jpg"))

    assert "a secret" not in said.read_text()
    assert "SECRET_KEY" not in said.read_text()


def program(directory: Path, code: str) -> str:
    path = directory / "program.py"
    path.write_text(code)
    return os.fspath(path)


def test_a_storage_that_does_not_take_them_is_tried_again(alice, monkeypatch, stored):
    attachment = upload_file(make_task(alice), jpeg(), name="photo.jpg")
    process(go_on=0)
    (stored / "no directory").touch()
    with monkeypatch.context() as broken:
        broken.setattr(files, "new_key", lambda: "no directory/file")

        process(go_on=0)

    stage = Thumbnailing.objects.get()
    assert (stage.status, stage.attempts) == ("queued", 1)
    Thumbnailing.objects.update(not_before=clock())
    assert until_ready(attachment).state == "ready"


def test_what_a_run_has_drawn_whose_lease_was_lost_is_erased(alice, monkeypatch):
    upload_file(make_task(alice), jpeg(), name="photo.jpg")
    process(go_on=0)
    monkeypatch.setattr(thumbnailing, "reached", lambda point, **_: point == "thumbnails written" and steal())

    counts = process(go_on=0)

    assert counts["lease lost"] == 1
    assert not Thumbnail.objects.exists()
    assert Erasure.objects.filter(not_before__lte=clock()).count() == 2


def steal() -> None:
    Thumbnailing.objects.update(lease_token="00000000-0000-0000-0000-000000000000")


def test_a_scan_that_is_repeated_leaves_the_thumbnails_as_they_are(alice):
    attachment = until_ready(upload_file(make_task(alice), jpeg(), name="photo.jpg"))
    before = set(Thumbnail.objects.values_list("key", flat=True))
    rescan_attachment(attachment, by=alice)

    again = until_ready(attachment)

    assert again.state == "ready"
    assert set(Thumbnail.objects.values_list("key", flat=True)) == before


def test_a_directory_that_was_drawn_in_is_gone_afterwards(alice, settings):
    until_ready(upload_file(make_task(alice), jpeg(), name="photo.jpg"))

    assert list(settings.UPLOAD_DIR.glob("*.upload")) == []
