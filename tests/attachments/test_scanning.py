"""From an uploaded file to a verdict, with a real scanner; and what becomes of files while there is none."""

import socket
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from django.db.models import F

from attachments import scanning
from attachments.models import Attachment, Scan
from attachments.processing import process
from tests.clamav import EICAR, LARGEST_STREAM, SIGNATURE
from tests.factories import in_hours, make_task, upload_file
from work.breaker import trip
from work.models import Breaker
from work.step import clock, in_

pytestmark = [pytest.mark.django_db, pytest.mark.system("clamav-daemon")]


def reloaded(attachment: Attachment) -> Attachment:
    return Attachment.objects.select_related("scan").get(pk=attachment.pk)


def test_a_clean_file_that_has_no_thumbnails_is_ready_and_says_who_has_looked_at_it(alice, scanner):
    attachment = upload_file(make_task(alice))

    counts = process()

    attachment = reloaded(attachment)
    assert counts["clean"] == 1
    assert (attachment.state, attachment.reason) == ("ready", "")
    assert (attachment.scan.status, attachment.scan.verdict, attachment.scan.attempts) == ("done", "clean", 0)
    assert attachment.scan.scanner.startswith("ClamAV ")
    assert attachment.scan.seconds > 0
    assert [entry["step"] for entry in attachment.history] == ["uploaded", "scanning", "ready"]
    assert [entry["step"] for entry in attachment.scan.history] == ["claimed", "clean"]


@pytest.mark.parametrize(
    "content", [EICAR, b"Dear all,\n" + EICAR + b"\nRegards"], ids=["the file itself", "inside of a text"]
)
def test_a_virus_is_quarantined_under_its_name(alice, scanner, content):
    attachment = upload_file(make_task(alice), content)

    process()

    attachment = reloaded(attachment)
    assert (attachment.state, attachment.scan.verdict) == ("infected", "infected")
    assert SIGNATURE in attachment.reason
    assert attachment.scan.found == attachment.reason


def test_a_file_that_is_larger_than_the_scanner_takes_is_quarantined_not_passed(alice, scanner, settings):
    settings.ATTACHMENT_MAX_BYTES = LARGEST_STREAM + 2**20
    attachment = upload_file(make_task(alice), bytes(LARGEST_STREAM + 1))

    process()

    attachment = reloaded(attachment)
    assert (attachment.state, attachment.scan.verdict) == ("unscannable", "unscannable")
    assert "larger than the scanner takes" in attachment.reason


def test_a_file_that_is_not_what_was_uploaded_is_not_passed(alice, scanner, settings, stored):
    settings.ATTACHMENT_MAX_ATTEMPTS = 1
    attachment = upload_file(make_task(alice))
    (stored / attachment.key).write_bytes(b"Something else.\n")

    process(go_on=0)
    process(go_on=0)

    attachment = reloaded(attachment)
    assert (attachment.state, attachment.scan.status) == ("failed", "failed")
    assert "not what was uploaded" in attachment.reason


def test_a_file_that_the_storage_has_lost_is_tried_again_and_fails_at_last(alice, scanner, settings, stored):
    settings.ATTACHMENT_MAX_ATTEMPTS = 2
    attachment = upload_file(make_task(alice))
    (stored / attachment.key).unlink()

    process(go_on=0)

    first = reloaded(attachment)
    assert (first.state, first.scan.status, first.scan.attempts) == ("scanning", "queued", 1)
    assert "cannot be read" in first.scan.reason
    Scan.objects.update(not_before=clock())
    process(go_on=0)
    process(go_on=0)
    assert reloaded(attachment).state == "failed"


def test_without_a_scanner_files_wait_and_say_for_what(alice, api, settings):
    settings.CLAMD = None
    attachment = upload_file(make_task(alice))

    for _ in range(3):
        process()

    attachment = reloaded(attachment)
    assert (attachment.state, attachment.scan.status, attachment.scan.attempts) == ("scanning", "queued", 0)
    shown = api(alice).get(f"/api/v1/attachments/{attachment.pk}/").json()
    assert shown["reason"] == scanning.NOT_CONFIGURED
    assert api(alice).get(f"/api/v1/attachments/{attachment.pk}/content/").status_code == 409


def test_who_does_without_a_scanner_says_so_and_each_file_shows_it(alice, settings):
    settings.SCAN_POLICY, settings.CLAMD = "off", None
    attachment = upload_file(make_task(alice), EICAR)

    process()

    attachment = reloaded(attachment)
    assert (attachment.state, attachment.scan.verdict) == ("ready", "skipped")
    assert attachment.reason == "not scanned: SCAN_POLICY=off"


def test_a_scanner_that_is_stopped_costs_no_attempt_and_the_scan_goes_on_when_it_is_back(alice, api, scanner):
    scanner.stop()
    attachment = upload_file(make_task(alice))
    for _ in range(3):
        process(go_on=0)
    parked = Breaker.objects.get(name=scanning.SCANNER)
    waiting = api(alice).get(f"/api/v1/attachments/{attachment.pk}/").json()

    process(go_on=0)
    untouched = reloaded(attachment).scan.history
    scanner.start()
    Breaker.objects.update(open_until=clock())
    process(go_on=0)

    assert (parked.failures, parked.open_until is None) == (3, False)
    assert "the virus scanner cannot be reached" in waiting["reason"]
    assert str(scanner.directory) not in waiting["reason"]
    assert [entry["step"] for entry in untouched] == ["claimed", "parked"] * 3
    attachment = reloaded(attachment)
    assert (attachment.state, attachment.scan.attempts) == ("ready", 0)
    assert Breaker.objects.get(name=scanning.SCANNER).open_until is None


def test_a_scanner_that_accepts_and_says_nothing_is_given_up_in_time(alice, scanner):
    scanner.freeze()
    attachment = upload_file(make_task(alice))

    counts = process(go_on=0)

    attachment = reloaded(attachment)
    assert counts["parked"] == 1
    assert (attachment.scan.status, attachment.scan.attempts) == ("queued", 0)
    assert "no answer in time" in attachment.scan.reason


def test_a_file_on_which_the_scanner_breaks_off_lets_others_go_first_and_then_bears_it(alice, settings, tmp_path):
    """It has answered about others since, so it is the file's own doing."""
    attachment = upload_file(make_task(alice))
    with HangingUp(tmp_path / "clamd") as path:
        settings.CLAMD = {"path": path}
        process(go_on=0)
        first = reloaded(attachment).scan
        Scan.objects.update(not_before=clock(), broke_at=in_(-timedelta(minutes=1)))
        Breaker.objects.update(accepted_at=in_(-timedelta(seconds=30)))
        process(go_on=0)

    assert (first.status, first.attempts) == ("queued", 0)
    assert first.broke_at is not None
    assert Scan.objects.filter(pk=first.pk, attempts=1, status="queued", not_before__gt=clock()).exists()


def test_that_the_scanner_knows_its_version_is_no_sign_that_it_scans(alice, scanner):
    """It broke off while it had a file, and that one waits a little before it is tried again."""
    upload_file(make_task(alice))
    Scan.objects.update(not_before=in_hours(1 / 60))
    for _ in range(3):
        trip(scanning.SCANNER, "it does not answer", carrying=True)
    Breaker.objects.update(open_until=clock())

    process()

    assert Breaker.objects.get(name=scanning.SCANNER).open_until is not None


def test_while_no_file_waits_its_version_is_all_that_can_be_known(alice, scanner):
    for _ in range(3):
        trip(scanning.SCANNER, "it does not answer", carrying=True)
    Breaker.objects.update(open_until=clock())

    process()

    assert Breaker.objects.get(name=scanning.SCANNER).open_until is None


def test_a_lost_lease_is_noticed_and_the_verdict_is_left_to_whoever_has_it_now(alice, scanner, monkeypatch):
    attachment = upload_file(make_task(alice))
    monkeypatch.setattr(scanning, "reached", lambda point, **_: steal(point))

    counts = process(go_on=0)

    attachment = reloaded(attachment)
    assert counts["lease lost"] == 1
    assert (attachment.state, attachment.scan.verdict) == ("scanning", "")


def steal(point: str) -> None:
    if point == "scan answered":
        Scan.objects.update(lease_token="00000000-0000-0000-0000-000000000000")


def test_an_attachment_that_is_deleted_while_it_is_scanned_stays_deleted(alice, scanner, monkeypatch):
    attachment = upload_file(make_task(alice))
    delete = Attachment.objects.filter(pk=attachment.pk)
    monkeypatch.setattr(
        scanning, "reached", lambda point, **_: point == "scan answered" and delete.update(deleted_at=clock())
    )

    process(go_on=0)

    attachment = Attachment.objects.get(pk=attachment.pk)
    assert (attachment.state, attachment.deleted_at is None) == ("scanning", False)
    assert not Scan.objects.exists()


def test_owners_take_turns(alice, bob, scanner):
    """So one who uploads a thousand files does not keep another waiting."""
    hers = [upload_file(make_task(alice)) for _ in range(3)]
    his = upload_file(make_task(bob))
    Scan.objects.update(not_before=F("not_before") - timedelta(minutes=1))

    for _ in range(2):
        process(go_on=0)

    assert reloaded(his).state == "ready"
    assert [reloaded(each).state for each in hers].count("ready") == 1


class HangingUp:
    """A scanner that knows its version, and hangs up on every file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __enter__(self) -> str:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self.path

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                if connection.recv(100).startswith(b"zVERSION"):
                    connection.sendall(b"ClamAV 0.0.0\0")

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
