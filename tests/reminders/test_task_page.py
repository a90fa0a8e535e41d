"""`/tasks/{id}/`, which every mail links to: the task, and what became of each of its reminders."""

from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskapp.models import Task
from tests.factories import in_hours, make_delivery, make_reminder, make_task
from work.models import Breaker

STEP = {"at": "2026-03-01T09:00:00.123456+00:00", "step": "accepted", "late": 3.1, "text": "<i>250 OK</i>"}


def see(client, user, task):
    client.force_login(user)
    return client.get(f"/tasks/{task.pk}/")


def test_the_owner_sees_the_task_and_what_became_of_its_reminders(alice, client):
    task = make_task(alice, title="Pay the rent", due_at=datetime(2026, 3, 1, 8, tzinfo=UTC), timezone="Europe/Berlin")
    make_delivery(task, status="sent", address="alice@example.org", history=[STEP])

    text = see(client, alice, task).text

    assert "<h1>Pay the rent</h1>" in text
    assert "Sun 1 Mar 2026, 09:00 (Europe/Berlin)" in text
    assert "By email to alice@example.org" in text
    assert "Sent" in text
    assert "2026-03-01T09:00:00Z" in text
    assert "late: 3.1" in text


def test_a_reason_is_told(alice, client):
    task = make_task(alice)
    make_delivery(task, status="suppressed", reason="the task was done", unknown_outcome=True)

    text = see(client, alice, task).text

    assert "The task was done." in text
    assert "may have come twice" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"due_in_hours": None}, "no due date"),
        (
            {"due_at": datetime(2026, 3, 1, 23, tzinfo=UTC), "timezone": "Europe/Berlin", "all_day": True},
            "due: Sun 1 Mar 2026<",
        ),
    ],
)
def test_the_due_date_is_told_as_it_was_meant(alice, client, fields, words):
    assert words in see(client, alice, make_task(alice, **fields)).text


def test_for_anybody_else_it_is_not_there(alice, bob, staff, client):
    task = make_task(alice)

    for user in (bob, staff):
        assert see(client, user, task).status_code == 404
        assert client.post(f"/tasks/{task.pk}/").status_code == 404
    task.refresh_from_db()
    assert task.status == "todo"


def test_a_stranger_is_asked_to_sign_in_and_comes_back(alice, client):
    task = make_task(alice)

    assert client.get(f"/tasks/{task.pk}/")["Location"] == f"/accounts/login/?next=/tasks/{task.pk}/"


@pytest.mark.parametrize("pk", ["0", "999999", "9" * 40, "x", "1%00"])
def test_what_is_not_there_is_404(alice, client, pk):
    client.force_login(alice)

    assert client.get(f"/tasks/{pk}/").status_code == 404


def test_a_deleted_task_is_404(alice, client):
    assert see(client, alice, make_task(alice, deleted_at=timezone.now())).status_code == 404


def test_the_button_marks_it_as_done(alice, client):
    task = make_task(alice)
    client.force_login(alice)

    response = client.post(f"/tasks/{task.pk}/", follow=True)

    task.refresh_from_db()
    assert task.status == "done"
    assert "Mark as done" not in response.text


def test_a_file_is_added_and_shown(alice, client, settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path
    task = make_task(alice)
    client.force_login(alice)
    file = SimpleUploadedFile("receipt.txt", b"Paid.")

    response = client.post(f"/tasks/{task.pk}/", {"upload": "yes", "file": file}, follow=True)

    assert "receipt.txt" in response.text
    assert task.attachments.get().state == "uploaded"


@pytest.mark.parametrize(
    ("files", "words"),
    [({}, "Choose a file."), ({"file": SimpleUploadedFile("empty.txt", b"")}, "The file is empty.")],
    ids=["none", "an empty one"],
)
def test_an_upload_without_a_file_says_so_and_does_not_complete_the_task(
    alice, client, settings, tmp_path, files, words
):
    settings.UPLOAD_DIR = tmp_path
    task = make_task(alice)
    client.force_login(alice)

    response = client.post(f"/tasks/{task.pk}/", {"upload": "yes", **files}, follow=True)

    task.refresh_from_db()
    assert words in response.text
    assert task.status == "todo"


def test_what_a_former_owner_was_told_is_not_shown(alice, bob, client):
    task = make_task(alice)
    make_delivery(task, status="sent", address="alice@private.example")
    Task.objects.filter(pk=task.pk).update(owner=bob)

    assert "alice@private.example" not in see(client, bob, task).text


def test_nothing_in_a_task_runs_in_the_page(alice, client):
    evil = "<script>alert(1)</script>"
    task = make_task(alice, title=evil, description=evil)
    make_delivery(task, status="failed", reason=evil, address=evil, history=[{**STEP, "text": evil, evil: evil}])

    text = see(client, alice, task).text

    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(alice, client, method):
    client.force_login(alice)

    assert getattr(client, method)(f"/tasks/{make_task(alice).pk}/").status_code == 405


def test_it_costs_the_same_for_few_reminders_and_for_many(alice, client):
    def cost(task) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert see(client, alice, task).status_code == 200
        return len(queries)

    few, many = make_task(alice), make_task(alice)
    make_delivery(few)
    make_delivery(many)
    for round in range(2, 30):
        make_reminder(many, round=round)

    cost(few)

    assert cost(many) == cost(few)


def test_what_waits_for_a_mail_server_that_does_not_work_says_so(client, alice):
    task = make_task(alice)
    make_delivery(task)
    Breaker.objects.create(name="email", failures=3, open_until=in_hours(1 / 120), reason="connection refused")

    page = see(client, alice, task).text

    assert "It waits for the mail server, which does not work at the moment: connection refused." in page
