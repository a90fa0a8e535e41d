"""Attachments in a bucket that speaks S3, over HTTP, as ATTACHMENT_STORAGE_URL has it."""

import tracemalloc
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from time import monotonic

import pytest
from botocore.config import Config
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from attachments import files
from attachments.erasing import erase
from attachments.models import Attachment, Erasure, Scan
from attachments.processing import process
from config import env as environment
from tests.bucket import Bucket
from tests.clamav import ClamAV
from tests.factories import make_task
from work.step import clock

TEXT = b"".join(b"line %d\n" % number for number in range(1000))
NOT_STORED = "The file could not be stored. Try again later."
NOT_READ = "The stored file cannot be read. Try again later."


@pytest.fixture(scope="module")
def running() -> Iterator[Bucket]:
    with Bucket() as server:
        yield server


@pytest.fixture
def bucket(running: Bucket, settings, tmp_path: Path) -> Bucket:
    return used(running, settings, tmp_path)


@pytest.fixture
def own_bucket(settings, tmp_path: Path) -> Iterator[Bucket]:
    """One to be frozen and killed."""
    with Bucket() as server:
        yield used(server, settings, tmp_path)


def used(server: Bucket, settings, directory: Path) -> Bucket:
    """The service keeps its attachments there, and scans none."""
    storage = environment.attachment_storage(server.url, directory)
    settings.STORAGES = {**settings.STORAGES, "attachments": storage}
    settings.UPLOAD_DIR = directory / "uploads"
    settings.SCAN_POLICY = "off"
    return server


def picture() -> bytes:
    drawn = BytesIO()
    Image.new("RGB", (1200, 800), "teal").save(drawn, "PNG")
    return drawn.getvalue()


def upload(client, task, content: bytes, *, name: str = "notes.txt", content_type: str = "text/plain"):
    file = SimpleUploadedFile(name, content, content_type=content_type)
    return client.post(f"/api/v1/tasks/{task.pk}/attachments/", {"file": file}, format="multipart")


def uploaded(client, task, content: bytes, **file: str) -> Attachment:
    """The attachment of an upload, processed to its end."""
    response = upload(client, task, content, **file)
    assert response.status_code == 201, response.json()
    process(go_on=60)
    return Attachment.objects.get(pk=response.json()["id"])


def content_of(attachment: Attachment) -> str:
    return f"/api/v1/attachments/{attachment.pk}/content/"


def body(response) -> bytes:
    return b"".join(response.streaming_content)


def erase_what_is_due() -> None:
    """What is deleted in this transaction is due by its beginning; files in the middle of an upload are not."""
    Erasure.objects.filter(not_before__lte=clock()).update(not_before=clock())
    process()


def test_the_fixture_of_settings_changes_the_storage(bucket):
    assert type(storages["attachments"]).__name__ == "S3Storage"


def test_a_file_comes_back_as_it_was_uploaded(alice, api, bucket):
    attachment = uploaded(api(alice), make_task(alice), TEXT)

    response = api(alice).get(content_of(attachment))

    assert attachment.state == Attachment.State.READY
    assert response.status_code == 200
    assert body(response) == TEXT
    assert attachment.key in bucket.keys


@pytest.mark.parametrize(
    ("wanted", "part"), [("bytes=100-199", TEXT[100:200]), ("bytes=-7", TEXT[-7:])], ids=["middle", "end"]
)
def test_a_part_of_a_file_can_be_fetched(alice, api, bucket, wanted, part):
    attachment = uploaded(api(alice), make_task(alice), TEXT)

    response = api(alice).get(content_of(attachment), HTTP_RANGE=wanted)

    assert response.status_code == 206
    assert body(response) == part


def test_thumbnails_lie_in_the_bucket_too(alice, api, bucket):
    attachment = uploaded(api(alice), make_task(alice), picture(), name="teal.png", content_type="image/png")

    response = api(alice).get(f"/api/v1/attachments/{attachment.pk}/thumbnail/?size=small")

    assert response.status_code == 200
    assert Image.open(BytesIO(body(response))).size == (256, 171)
    assert {thumbnail.key for thumbnail in attachment.thumbnails.all()} <= bucket.keys


def test_what_is_deleted_leaves_the_bucket(alice, api, bucket):
    attachment = uploaded(api(alice), make_task(alice), picture(), name="teal.png", content_type="image/png")
    keys = {attachment.key, *(thumbnail.key for thumbnail in attachment.thumbnails.all())}
    assert len(keys) == 3
    assert keys <= bucket.keys

    api(alice).delete(f"/api/v1/attachments/{attachment.pk}/")
    erase_what_is_due()

    assert not keys & bucket.keys
    assert not Erasure.objects.filter(key__in=keys).exists()


def test_erasing_what_is_not_there_is_as_good(db, bucket):
    Erasure.objects.create(key="00/never")

    erase_what_is_due()

    assert not Erasure.objects.exists()


def test_the_bucket_is_not_told_what_the_uploader_says_the_file_is(alice, api, bucket):
    """It might serve the file as that; and a header cannot hold every text."""
    attachment = uploaded(api(alice), make_task(alice), TEXT, content_type="text/html")

    assert attachment.declared_type == "text/html"
    assert bucket.facts(attachment.key)["ContentType"] == "application/octet-stream"


def test_a_large_file_is_stored_in_one_piece_and_never_whole_in_memory(db, bucket, settings, tmp_path):
    """Of a file that is sent in parts, some would stay behind when a process dies."""
    size, content = 32 * 2**20, tmp_path / "large"
    content.write_bytes(bytes(size))
    files.write(ContentFile(b"so that what describes S3 is in memory already"))
    tracemalloc.start()

    try:
        with content.open("rb") as file:
            key = files.write(File(file))
        with files.StoredFile(key) as stored:
            stored.seek(size - 10)
            rest = stored.read()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert rest == bytes(10)
    assert "-" not in bucket.facts(key)["ETag"]
    assert peak < size / 3


def test_a_file_that_the_bucket_has_lost_is_503(alice, api, bucket):
    attachment = uploaded(api(alice), make_task(alice), TEXT)
    bucket.lose(attachment.key)

    response = api(alice).get(content_of(attachment))

    assert response.status_code == 503
    assert response.json()["detail"] == NOT_READ


@pytest.mark.system("clamav-daemon")
def test_the_scan_of_a_file_that_the_bucket_has_lost_says_so_and_names_no_bucket(
    alice, api, bucket, settings, tmp_path
):
    with ClamAV(tmp_path / "clamav") as scanner:
        settings.SCAN_POLICY, settings.CLAMD = "required", {"path": str(scanner.socket)}
        made = upload(api(alice), make_task(alice), TEXT).json()
        bucket.lose(Attachment.objects.get().key)

        process()

    scan = Scan.objects.get(attachment=made["id"])
    assert (scan.status, scan.attempts) == (Scan.Status.QUEUED, 1)
    assert scan.reason == "the stored file cannot be read: FileNotFoundError"


def test_a_bucket_that_goes_away_while_a_file_is_read_is_an_error_of_the_storage(db, own_bucket):
    key = files.write(ContentFile(TEXT))

    with files.StoredFile(key) as stored:
        own_bucket.kill()

        with pytest.raises(files.StorageError, match=r"^EndpointConnectionError$"):
            stored.read()


def test_a_bucket_that_is_not_there_is_503_and_nothing_is_left(alice, api, own_bucket):
    own_bucket.kill()

    response = upload(api(alice), make_task(alice), TEXT)

    assert response.status_code == 503
    assert response.json()["detail"] == NOT_STORED
    assert not Attachment.objects.exists()
    assert not Scan.objects.exists()


def test_a_stored_file_whose_bucket_is_not_there_is_503(alice, api, own_bucket):
    attachment = uploaded(api(alice), make_task(alice), TEXT)
    own_bucket.kill()

    response = api(alice).get(content_of(attachment))

    assert response.status_code == 503
    assert response.json()["detail"] == NOT_READ


@pytest.mark.timeout(120)
def test_a_bucket_that_never_answers_is_given_up(committed_db, alice, api, own_bucket, settings):
    """After so many reads as there are attempts, which as it is configured is half a minute."""
    options = settings.STORAGES["attachments"]["OPTIONS"]
    config = options["client_config"]
    attempts = config.retries["total_max_attempts"]
    assert config.read_timeout * attempts == 30
    options["client_config"] = config.merge(Config(read_timeout=2))
    own_bucket.freeze()
    began = monotonic()

    response = upload(api(alice), make_task(alice), TEXT)

    assert response.status_code == 503
    assert 2 * attempts <= monotonic() - began < 15


def test_an_erasure_that_the_bucket_refuses_comes_again(alice, api, own_bucket):
    attachment = uploaded(api(alice), make_task(alice), TEXT)
    own_bucket.kill()

    api(alice).delete(f"/api/v1/attachments/{attachment.pk}/")
    erase_what_is_due()

    left = Erasure.objects.get(key=attachment.key)
    assert left.attempts == 1
    assert left.reason == "EndpointConnectionError"


def test_a_bucket_that_never_answers_does_not_keep_a_run_at_erasing(committed_db, own_bucket, settings):
    """It has scans to do as well, and 100 s in all."""
    options = settings.STORAGES["attachments"]["OPTIONS"]
    options["client_config"] = options["client_config"].merge(Config(read_timeout=5.5))
    Erasure.objects.bulk_create([Erasure(key=f"00/{number}") for number in range(5)])
    own_bucket.freeze()

    erase()

    assert sorted(Erasure.objects.values_list("reason", flat=True)) == ["", "", "", "", "ReadTimeoutError"]
    assert set(Erasure.objects.values_list("attempts", flat=True)) == {1}
