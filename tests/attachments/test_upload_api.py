"""Uploading over HTTP: what is taken, what is refused, and that nothing is left over of what was refused."""

import hashlib
import re
import stat
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.services import create_token
from attachments.erasing import erase
from attachments.files import NEVER_ADOPTED_AFTER
from attachments.models import Attachment, Erasure, Scan
from attachments.receiving import ReceivedFile, ReceivingHandler
from attachments.services import add_attachment
from taskapp.models import Task
from taskapp.services import delete_task
from tests.attachments.storage import files_in
from tests.factories import make_attachment, make_task, make_user
from tests.waiting import eventually

MEGABYTE = 2**20
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"picture" * 100
FORM = "multipart/form-data; boundary=edge"


@pytest.fixture
def task(alice) -> Task:
    return make_task(alice)


def path_of(task: Task) -> str:
    return f"/api/v1/tasks/{task.pk}/attachments/"


class Watched(BytesIO):
    """A body that has somebody look whenever more of it is asked for."""

    def __init__(self, content: bytes, look: Callable[[], None]) -> None:
        super().__init__(content)
        self.look = look

    def read(self, size: int | None = -1) -> bytes:
        self.look()
        return super().read(size)


def upload(client: APIClient, task: Task, *, name: str = "photo.jpg", content: bytes = JPEG, kind: str = "image/jpeg"):
    return client.post(path_of(task), {"file": SimpleUploadedFile(name, content, kind)}, format="multipart")


def send(client: APIClient, task: Task, body: Any, *, length: int):
    """A body that is read as it comes, which the test client's own is not."""
    return client.request(
        PATH_INFO=path_of(task), REQUEST_METHOD="POST", CONTENT_TYPE=FORM, CONTENT_LENGTH=str(length),
        **{"wsgi.input": body},
    )  # fmt: skip


def form_with(*parts: bytes) -> bytes:
    return b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts) + b"--edge--\r\n"


def file_part(content: bytes, *headers: bytes, field: bytes = b"file") -> bytes:
    lines = [b'Content-Disposition: form-data; name="' + field + b'"; filename="a.txt"', *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + content


def post_form(client: APIClient, task: Task, body: bytes, content_type: str = FORM, **headers: str):
    return client.generic("POST", path_of(task), body, content_type=content_type, **headers)


def assert_refused(response, status: int, words: str, settings, stored: Path) -> None:
    """With a problem that says why, and without a trace."""
    problem = response.json()
    assert (response.status_code, problem["status"]) == (status, status), problem
    assert response["Content-Type"] == "application/problem+json"
    told = " ".join([problem["detail"], *(error["detail"] for error in problem.get("errors", []))])
    assert re.search(words, told), told
    assert not Attachment.objects.exists()
    erase()
    assert files_in(stored) + files_in(settings.UPLOAD_DIR) == []


def test_an_upload_is_answered_with_what_is_known_of_it(alice, api, task):
    response = upload(api(alice), task)

    made = response.json()
    attachment = Attachment.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"http://testserver/api/v1/attachments/{attachment.pk}/"
    assert api(alice).get(response["Location"]).json() == made
    assert {name: made[name] for name in ("id", "task", "name", "size", "content_type", "sha256", "state")} == {
        "id": attachment.pk, "task": task.pk, "name": "photo.jpg", "size": len(JPEG), "content_type": "image/jpeg",
        "sha256": hashlib.sha256(JPEG).hexdigest(), "state": "uploaded",
    }  # fmt: skip
    assert (made["thumbnails"], made["thumbnailing"], made["reason"]) == ([], None, "")
    assert made["content_url"] == f"{response['Location']}content/"
    assert (made["scan"]["status"], made["scan"]["verdict"]) == ("queued", "")
    assert [(entry["step"], entry["by"]) for entry in made["history"]] == [("uploaded", "alice")]


def test_where_a_file_lies_is_nobodys_business(alice, api, task):
    answer = upload(api(alice), task)

    assert Attachment.objects.get().key not in answer.text


def test_the_file_lies_in_the_storage_for_us_alone_under_a_random_name(alice, api, task, stored, settings):
    upload(api(alice), task)
    upload(api(alice), task)

    keys = {attachment.key for attachment in Attachment.objects.all()}
    assert {str(path.relative_to(stored)) for path in files_in(stored)} == keys
    assert all(re.fullmatch(r"([0-9a-f]{2})/\1[0-9a-f]{30}", key) for key in keys)
    assert len(keys) == 2
    for path in files_in(stored):
        assert path.read_bytes() == JPEG
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(settings.UPLOAD_DIR.stat().st_mode) == 0o700


def test_a_stored_file_is_not_to_be_erased_and_a_scan_is_queued(alice, api, task):
    upload(api(alice), task)

    scan = Scan.objects.get()
    assert (scan.status, scan.owner_id, scan.attachment) == ("queued", alice.pk, Attachment.objects.get())
    assert not Erasure.objects.exists()


def test_nothing_is_left_where_uploads_arrive(alice, api, task, settings):
    upload(api(alice), task)

    assert files_in(settings.UPLOAD_DIR) == []


def test_the_declared_type_is_kept_and_not_believed(alice, api, task):
    made = upload(api(alice), task, name="photo.jpg", content=b"<html>hello</html>", kind="image/jpeg").json()

    assert made["content_type"] == "text/plain"
    assert Attachment.objects.get().declared_type == "image/jpeg"


def test_a_declared_type_may_be_nonsense(alice, api, task):
    body = form_with(file_part(b"hello", b"Content-Type: " + b"x\x1b" * 200))

    assert post_form(api(alice), task, body).status_code == 201
    assert Attachment.objects.get().declared_type == "x" * 100


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../../etc/passwd", "passwd"), ("C:\\a\\b.txt", "b.txt"), ("a\u202etxt.exe", "atxt.exe"), ("🎉.png", "🎉.png")],
)
def test_a_name_is_made_safe(alice, api, task, name, safe):
    body = form_with(file_part(b"hello").replace(b"a.txt", name.replace("\\", "\\\\").encode()))

    assert post_form(api(alice), task, body).json()["name"] == safe


def test_the_list_of_a_task_has_its_files_newest_first(alice, api, task):
    first, second = (upload(api(alice), task).json()["id"] for _ in range(2))
    make_attachment(make_task(alice))

    assert [each["id"] for each in api(alice).get(path_of(task)).json()["results"]] == [second, first]
    assert api(alice).get("/api/v1/attachments/").json()["count"] == 3
    assert api(alice).get(f"/api/v1/attachments/?task={task.pk}").json()["count"] == 2
    assert api(alice).get("/api/v1/attachments/?state=ready").json()["count"] == 1
    assert api(alice).get("/api/v1/attachments/?state=ready&state=uploaded").json()["count"] == 3


def test_a_file_that_is_just_small_enough_is_taken(alice, api, task, settings):
    settings.ATTACHMENT_MAX_BYTES = 200_000

    made = upload(api(alice), task, content=b"x" * 200_000).json()

    assert (made["size"], made["sha256"]) == (200_000, hashlib.sha256(b"x" * 200_000).hexdigest())


def test_a_file_that_is_too_large_is_refused_with_413_and_leaves_nothing(alice, api, task, settings, stored):
    settings.ATTACHMENT_MAX_BYTES = MEGABYTE

    response = upload(api(alice), task, content=b"x" * (MEGABYTE + 1))

    assert_refused(response, 413, "The file is larger than 1 MB", settings, stored)


def test_of_a_file_that_is_too_large_no_more_is_kept_meanwhile_than_the_limit(alice, api, task, settings, stored):
    settings.ATTACHMENT_MAX_BYTES = 100_000
    largest = 0

    def look() -> None:
        nonlocal largest
        largest = max([largest, *(path.stat().st_size for path in files_in(settings.UPLOAD_DIR))])

    body = form_with(file_part(b"x" * 2 * MEGABYTE))
    response = send(api(alice), task, Watched(body, look), length=len(body))

    assert response.status_code == 413
    assert 0 < largest <= 100_000


def test_a_body_that_is_too_large_is_not_read_at_all(alice, api, task, settings, stored):
    settings.MAX_UPLOAD_BYTES = 1000

    response = upload(api(alice), task, content=b"x" * 1000)

    assert_refused(response, 413, "The body is larger", settings, stored)
    assert not settings.UPLOAD_DIR.exists()


def test_a_task_can_have_so_many_and_no_more(alice, api, task, settings, stored):
    settings.ATTACHMENTS_PER_TASK = 2
    answers = [upload(api(alice), task) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 409]
    assert answers[2].json()["detail"] == "The task has 2 attachments, which is as many as it can have."
    assert len(files_in(stored)) == 2
    assert files_in(settings.UPLOAD_DIR) == []

    api(alice).delete(answers[0]["Location"])

    assert upload(api(alice), task).status_code == 201


def test_an_owner_has_so_much_room_and_no_more(alice, bob, api, task, settings, stored):
    settings.ATTACHMENT_QUOTA_BYTES = 3 * MEGABYTE
    assert upload(api(alice), task, content=b"x" * MEGABYTE).status_code == 201
    assert upload(api(alice), make_task(alice), content=b"x" * MEGABYTE).status_code == 201

    response = upload(api(alice), task, content=b"x" * (MEGABYTE + 1))

    assert response.status_code == 409
    assert re.match(r"The file has 1 MB; 1 MB of your 3 MB are left\.", response.json()["detail"])
    assert len(files_in(stored)) == 2
    assert upload(api(alice), task, content=b"x" * MEGABYTE).status_code == 201
    assert upload(api(bob), make_task(bob), content=b"x" * MEGABYTE).status_code == 201


def test_files_of_deleted_tasks_take_room_until_they_are_purged_and_deleted_files_take_none(alice, api, task, settings):
    settings.ATTACHMENT_QUOTA_BYTES = 2 * MEGABYTE
    other = make_task(alice)
    upload(api(alice), other, content=b"x" * MEGABYTE)
    made = upload(api(alice), task, content=b"x" * MEGABYTE).json()
    delete_task(other)

    assert upload(api(alice), task, content=b"x" * MEGABYTE).status_code == 409
    api(alice).delete(f"/api/v1/attachments/{made['id']}/")

    assert upload(api(alice), task, content=b"x" * MEGABYTE).status_code == 201


BROKEN = {
    "an empty file": (form_with(file_part(b"")), FORM, 400, "empty"),
    "no file": (form_with(b'Content-Disposition: form-data; name="x"\r\n\r\ny'), FORM, 400, "No file"),
    "a field that is no file": (form_with(b'Content-Disposition: form-data; name="file"\r\n\r\ny'), FORM, 400, "file"),
    "a file of another field": (form_with(file_part(b"hello", field=b"files")), FORM, 400, "No file"),
    "a file without a name": (form_with(file_part(b"hello").replace(b"a.txt", b"")), FORM, 400, "not a file"),
    "two files": (form_with(file_part(b"one"), file_part(b"two")), FORM, 400, "one file at a time"),
    "a form without an edge": (form_with(file_part(b"hello")), "multipart/form-data", 400, "boundary"),
    "another edge": (form_with(file_part(b"hello")), FORM + "s", 400, "No file"),
    "a body that breaks off in the file": (form_with(file_part(b"hello"))[:-15], FORM, 400, "No file"),
    "a body that is no form": (b"hello", FORM, 400, "No file"),
    "JSON": (b'{"file": "x"}', "application/json", 415, "application/json"),
    "a bare file": (JPEG, "image/jpeg", 415, "image/jpeg"),
    "a form without files": (b"file=x", "application/x-www-form-urlencoded", 415, "urlencoded"),
}


@pytest.mark.parametrize(("body", "content_type", "status", "words"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_form_with_a_file_is_refused(alice, api, task, settings, stored, body, content_type, status, words):
    response = post_form(api(alice), task, body, content_type)

    assert_refused(response, status, words, settings, stored)


def test_a_body_that_ends_before_its_length_is_refused(alice, api, task, settings, stored):
    whole = form_with(file_part(b"hello" * 100_000))

    response = send(api(alice), task, BytesIO(whole[:-100]), length=len(whole))

    assert_refused(response, 400, "No file", settings, stored)


def test_a_body_whose_length_the_server_does_not_tell_is_refused_with_411(alice, api, task, settings, stored):
    body = form_with(file_part(b"hello"))

    response = post_form(api(alice), task, body, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")

    assert_refused(response, 411, "Content-Length", settings, stored)


@pytest.mark.parametrize("field", [b'"x"', b'"file"'])
def test_a_form_with_too_many_or_too_long_fields_is_refused(alice, api, task, settings, stored, field):
    part = b"Content-Disposition: form-data; name=" + field + b"\r\n\r\n"

    for body in (form_with(*[part] * 1002), form_with(part + b"y" * (MEGABYTE + 1))):
        response = post_form(api(alice), task, body)
        assert response.status_code in {400, 413}
        assert response["Content-Type"] == "application/problem+json"
    assert not Attachment.objects.exists()


def test_somebody_elses_task_is_not_there(alice, bob, staff, api, task, settings, stored):
    assert_refused(upload(api(bob), task), 404, "", settings, stored)
    assert_refused(upload(api(staff), task), 404, "", settings, stored)
    assert api(bob).get(path_of(task)).status_code == 404


def test_a_deleted_task_is_not_there(alice, api, task, settings, stored):
    delete_task(task)

    assert_refused(upload(api(alice), task), 404, "", settings, stored)


@pytest.mark.parametrize("pk", ["0", str(2**63), "9" * 400, "9" * 5000])
def test_a_task_that_none_has_is_404(alice, api, pk):
    client = api(alice)

    assert client.get(f"/api/v1/tasks/{pk}/attachments/").status_code == 404
    assert client.get(f"/api/v1/attachments/{pk}/").status_code == 404
    assert client.get(f"/api/v1/attachments/{pk}/content/").status_code == 404


def test_a_stranger_is_asked_who_they_are(api, task, settings, stored):
    response = upload(api(None), task)

    assert response["WWW-Authenticate"] == "Bearer"
    assert_refused(response, 401, "", settings, stored)


def test_a_session_without_its_csrf_token_uploads_nothing(alice, task, settings, stored):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(alice)

    assert_refused(upload(client, task), 403, "CSRF", settings, stored)


def test_a_picture_of_9_mb_is_never_whole_in_memory(alice, api, task, tmp_path):
    content = JPEG + bytes(9 * MEGABYTE)
    body = tmp_path / "body"
    body.write_bytes(form_with(file_part(content)))
    upload(api(alice), task)  # what is loaded once

    with body.open("rb") as opened:
        tracemalloc.start()
        try:
            response = send(api(alice), task, opened, length=body.stat().st_size)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert response.status_code == 201
    assert response.json()["sha256"] == hashlib.sha256(content).hexdigest()
    assert peak < 2 * MEGABYTE


def another_takes_the_last_place(task: Task) -> Callable[[], object]:
    return lambda: make_attachment(Task.objects.get(pk=task.pk))


def test_of_a_file_whose_row_cannot_be_made_nothing_stays(alice, api, task, settings, stored, at_point):
    settings.ATTACHMENTS_PER_TASK = 1
    at_point("file written", another_takes_the_last_place(task))

    response = upload(api(alice), task)

    kept = Attachment.objects.get()
    erasure = Erasure.objects.get()
    assert (response.status_code, len(files_in(stored))) == (409, 2)
    assert erasure.key != kept.key
    assert erase() == 1
    assert [str(path.relative_to(stored)) for path in files_in(stored)] == [kept.key]
    assert not Erasure.objects.exists()


def test_of_a_file_whose_task_is_deleted_meanwhile_nothing_stays(alice, api, task, settings, stored, at_point):
    at_point("file written", lambda: delete_task(task))

    assert_refused(upload(api(alice), task), 404, "", settings, stored)


def received(content: bytes) -> ReceivedFile:
    handler = ReceivingHandler()
    handler.new_file("file", "photo.jpg", "image/jpeg", None)
    handler.receive_data_chunk(content, 0)
    return cast(ReceivedFile, handler.file_complete(len(content)))


def test_of_a_file_whose_upload_dies_before_its_row_nothing_stays(alice, api, task, settings, stored, at_point):
    def die() -> None:
        raise SystemExit

    at_point("file written", die)
    with received(JPEG) as file, pytest.raises(SystemExit):
        add_attachment(task, upload=file, by=alice)

    due_in = Erasure.objects.get().not_before - timezone.now()
    assert NEVER_ADOPTED_AFTER - timedelta(minutes=1) < due_in <= NEVER_ADOPTED_AFTER
    assert (erase(), len(files_in(stored))) == (0, 1)
    Erasure.objects.update(not_before=timezone.now())
    assert (erase(), files_in(stored)) == (1, [])


def test_of_a_file_that_was_erased_while_it_was_being_stored_nothing_stays(
    alice, api, task, settings, stored, at_point
):
    """The process slept for longer than an hour."""
    at_point("file writing", lambda: Erasure.objects.all().delete())

    response = upload(api(alice), task)

    assert response.status_code == 503
    assert not Attachment.objects.exists()
    assert (erase(), files_in(stored)) == (1, [])


def test_a_disk_that_takes_no_file_is_said_to_be_away(alice, api, task, settings, stored):
    stored.write_text("where the directory should be")

    response = upload(api(alice), task)

    assert response.status_code == 503
    assert response.json()["detail"] == "The file could not be stored. Try again later."
    assert not Attachment.objects.exists()


def lock_waiters() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0])


def uploaded_by(user: User, task: Task) -> int:
    client = APIClient()
    client.force_authenticate(user)
    try:
        return upload(client, task).status_code
    finally:
        connection.close()


@pytest.mark.parametrize("limit", ["ATTACHMENTS_PER_TASK", "ATTACHMENT_QUOTA_BYTES"])
def test_two_uploads_at_the_same_moment_do_not_both_get_the_last_place(committed_db, settings, stored, limit):
    setattr(settings, limit, 1 if limit == "ATTACHMENTS_PER_TASK" else len(JPEG))
    alice = make_user("alice")
    first = make_task(alice)
    second = make_task(alice) if limit == "ATTACHMENT_QUOTA_BYTES" else first

    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=alice.pk)
            both = [threads.submit(uploaded_by, alice, task) for task in (first, second)]
            eventually(lambda: len(files_in(stored)) == lock_waiters() == 2)
        statuses = sorted(one.result(timeout=30) for one in both)

    assert statuses == [201, 409]
    erase()
    assert [str(path.relative_to(stored)) for path in files_in(stored)] == [Attachment.objects.get().key]


def test_an_upload_with_a_token_goes_through_the_whole_service(alice, task, client):
    form = {"file": SimpleUploadedFile("a.txt", b"hello")}

    response = client.post(path_of(task), form, headers={"Authorization": f"Bearer {create_token(alice)[1]}"})

    assert response.status_code == 201
