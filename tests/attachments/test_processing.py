"""One run of the job: what it recovers, how it shares a worker with reminders, and when beat rings for it."""

from datetime import timedelta

import pytest

from attachments import processing, slots, wake
from attachments.models import Attachment, Erasure, Scan, Thumbnailing
from attachments.processing import QUEUE, process
from attachments.scanning import SCANNER
from attachments.tasks import process as process_job
from tests.attachments.pictures import jpeg
from tests.factories import make_task, upload_file
from work.breaker import trip
from work.claims import Holder, Turn, claim
from work.models import Breaker
from work.step import clock, in_

pytestmark = pytest.mark.django_db

LEASE = timedelta(seconds=60)


@pytest.fixture(autouse=True)
def _no_scanner(settings) -> None:
    settings.SCAN_POLICY = "off"


def lose(stage: type[Scan | Thumbnailing], *, attempts: int = 0, alone: bool = False) -> None:
    """A worker claims it and is never heard of again."""
    claim(stage, Holder(), limit=1, lease=LEASE, turn=Turn(by="owner_id"))
    stage.objects.update(lease_until=in_(-timedelta(seconds=1)), attempts=attempts, alone=alone)


@pytest.mark.parametrize("stage", [Scan, Thumbnailing])
def test_what_a_lost_worker_had_is_done_by_another(alice, stage):
    attachment = upload_file(make_task(alice), jpeg(), name="photo.jpg")
    if stage is Thumbnailing:
        process(go_on=0)
    lose(stage)

    counts = process(go_on=10)

    assert counts["recovered"] == 1
    assert Attachment.objects.get(pk=attachment.pk).state == "ready"
    assert "lease expired" in [entry["step"] for entry in stage.objects.get().history]


def test_a_file_that_every_worker_dies_of_is_never_passed(alice, settings):
    attachment = upload_file(make_task(alice))
    lose(Scan, attempts=settings.ATTACHMENT_MAX_ATTEMPTS - 1, alone=True)

    process(go_on=10)

    attachment = Attachment.objects.get(pk=attachment.pk)
    assert attachment.state == "failed"
    assert "all that the worker had" in attachment.reason


def test_a_picture_whose_drawing_every_worker_dies_of_is_ready_without_thumbnails(alice, settings):
    attachment = upload_file(make_task(alice), jpeg(), name="photo.jpg")
    process(go_on=0)
    lose(Thumbnailing, attempts=settings.ATTACHMENT_MAX_ATTEMPTS - 1, alone=True)

    process(go_on=10)

    assert Attachment.objects.get(pk=attachment.pk).state == "ready"
    assert Thumbnailing.objects.get().status == "failed"


def test_one_process_of_a_worker_stays_free_for_reminders(alice, settings):
    """Of two processes one is at files, so a second run does nothing but leave it to the first."""
    settings.WORKER_CONCURRENCY = 2
    upload_file(make_task(alice))

    with slots.slot() as first:
        counts = process()

    assert first
    assert "skipped" not in counts
    assert Scan.objects.get().status == "queued"
    assert process()["skipped"] == 1


def test_a_storage_that_does_not_answer_holds_no_more_processes_than_a_scan(alice):
    Erasure.objects.create(key="00/lost")

    with slots.slot():
        process()

    assert Erasure.objects.filter(attempts=0).exists()
    assert process()["erased"] == 1


def test_scans_and_drawings_take_turns(alice, bob):
    """So that drawings which come again and again do not keep others from being scanned."""
    for _ in range(3):
        upload_file(make_task(alice), jpeg(), name="photo.jpg")
    while Scan.objects.exclude(status="done").exists():
        process(go_on=0)
    his = upload_file(make_task(bob))
    Thumbnailing.objects.update(status="queued", not_before=clock())

    for _ in range(2):
        process(go_on=0)

    assert Attachment.objects.get(pk=his.pk).state == "ready"


@pytest.mark.parametrize(("processes", "most"), [(1, 1), (2, 1), (4, 3)])
def test_a_worker_has_a_slot_less_than_processes_and_one_at_least(settings, processes, most):
    settings.WORKER_CONCURRENCY = processes
    taken = []

    while (descriptor := slots.taken()) is not None:
        taken.append(descriptor)

    assert len(taken) == most
    for descriptor in taken:
        slots.os.close(descriptor)


def test_a_run_that_leaves_something_rings_for_the_next(alice, broker):
    for _ in range(2):
        upload_file(make_task(alice))

    process(go_on=0)

    assert broker.llen(QUEUE) == 1


def test_a_run_that_leaves_nothing_does_not_ring(alice, broker):
    upload_file(make_task(alice))

    process()

    assert broker.llen(QUEUE) == 0


def test_a_run_with_nothing_to_do_says_so(db):
    assert process() == {"recovered": 0, "erased": 0}


def test_the_job_runs_it(alice):
    upload_file(make_task(alice))

    assert process_job()["skipped"] == 1


def test_beat_rings_while_there_is_work_that_can_be_done(alice, settings, broker):
    """Each kind of work by itself, and none of it while it has to wait."""
    assert not wake.is_work_due()

    attachment = upload_file(make_task(alice), jpeg(), name="photo.jpg")
    assert wake.is_work_due(), "a scan is queued"
    process(go_on=0)
    assert wake.is_work_due(), "thumbnails are to be drawn"
    lose(Thumbnailing)
    assert wake.is_work_due(), "a lease is over"
    process(go_on=10)
    assert not wake.is_work_due()
    Attachment.objects.filter(pk=attachment.pk).update(deleted_at=clock())
    assert wake.is_work_due(), "files are to be erased"
    process()
    assert not wake.is_work_due()
    assert not Erasure.objects.exists()


def test_beat_does_not_ring_for_scans_while_the_scanner_is_parked(alice):
    upload_file(make_task(alice))
    for _ in range(3):
        trip(SCANNER, "it does not answer")

    assert not wake.is_work_due()
    Breaker.objects.update(open_until=clock())
    assert wake.is_work_due()


def test_of_many_beats_one_rings(alice, broker):
    upload_file(make_task(alice))

    assert [wake.is_tick_wanted() for _ in range(3)] == [True, False, False]
    processing.process()
    upload_file(make_task(alice))
    assert wake.is_tick_wanted()
