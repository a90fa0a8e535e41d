"""Attachments in the admin: looked at, uploaded, and decided on with a reason."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile

from attachments import files, services
from attachments.erasing import erase
from attachments.models import Attachment, Erasure, Scan, Thumbnailing
from taskapp.models import Task
from tests.factories import make_attachment, make_task, make_user
from work import failpoints

LIST = "/admin/attachments/attachment/"
ADD = LIST + "add/"
STEP = {"at": "2026-03-01T09:00:00.123456+00:00", "step": "parked", "reason": "the scanner is away"}


@pytest.fixture
def task(alice) -> Task:
    return make_task(alice)


def act(client, action: str, *attachments: Attachment, reason: str = "", query: str = ""):
    form = {"action": action, "reason": reason, "_selected_action": [attachment.pk for attachment in attachments]}
    return client.post(LIST + query, form, follow=True)


def said(response) -> list[str]:
    """What the page says at its top."""
    return [str(message) for message in response.context["messages"]]


def upload(client, task: Task, content: bytes = b"hello", *, name: str = "hello.txt", follow: bool = True):
    return client.post(ADD, {"task": task.pk, "file": SimpleUploadedFile(name, content)}, follow=follow)


def listed(client, query: str = "") -> set[int]:
    return {attachment.pk for attachment in client.get(LIST + query).context["cl"].result_list}


def is_stored(key: str) -> bool:
    return files.storage().exists(key)


def test_the_list_tells_whose_a_file_is_and_how_it_stands(admin, task):
    make_attachment(task, name="invoice.pdf", state="infected", reason="Win.Test")

    text = admin.get(LIST).text

    for word in ("invoice.pdf", "Pay the rent", "alice", "Infected, quarantined", "Win.Test"):
        assert word in text


def test_deleted_ones_are_listed_when_they_are_asked_for(admin, alice, task):
    present, deleted = make_attachment(task), make_attachment(task)
    services.delete_attachment(deleted, by=alice)

    assert listed(admin) == {present.pk}
    assert listed(admin, "?deleted=yes") == {deleted.pk}


def test_a_page_shows_every_stage_with_its_steps(admin, task):
    attachment = make_attachment(task, state="clean", history=[{**STEP, "step": "uploaded"}])
    Scan.objects.update(history=[STEP], scanner="ClamAV 1.0/1", verdict="clean", attempts=3)
    Thumbnailing.objects.create(attachment=attachment, owner_id=task.owner_id, reason="nothing drawn yet")

    text = admin.get(f"{LIST}{attachment.pk}/change/").text

    for words in (
        "2026-03-01 09:00:00 <strong>uploaded</strong>", "<strong>parked</strong> reason: the scanner is away",
        "scanner: ClamAV 1.0/1", "verdict: clean", "attempts: 3", "nothing drawn yet", attachment.sha256,
    ):  # fmt: skip
        assert words in text


def test_a_tombstone_has_a_page_as_well(admin, alice, task):
    attachment = make_attachment(task)
    services.delete_attachment(attachment, by=alice)

    assert "<strong>deleted</strong> by: alice" in admin.get(f"{LIST}{attachment.pk}/change/").text


def test_a_page_is_read_only(admin, task):
    attachment = make_attachment(task)
    before = Attachment.objects.values().get()
    path = f"{LIST}{attachment.pk}/"

    assert not re.search(r'<input type="(text|file|submit)"', admin.get(path + "change/").text.split("<main")[1])
    assert admin.post(path + "change/", {"name": "x", "state": "ready"}).status_code == 403
    assert admin.post(path + "delete/", {"post": "yes"}).status_code == 403
    admin.post(LIST, {"action": "delete_selected", "_selected_action": [attachment.pk], "post": "yes"})

    assert Attachment.objects.values().get() == before


def test_a_file_is_uploaded(admin, task):
    response = upload(admin, task, b"hello", name="../gr\u00fc\u00dfe.txt")

    attachment = Attachment.objects.get()
    assert response.redirect_chain
    assert (attachment.task, attachment.name, attachment.size, attachment.state) == (task, "grüße.txt", 5, "uploaded")
    assert (attachment.history[0]["step"], attachment.history[0]["by"]) == ("uploaded", "staff")
    assert is_stored(attachment.key)
    assert Scan.objects.get().status == "queued"
    assert "was added successfully" in response.text
    assert "grüße.txt" in response.text


def test_a_file_that_is_too_large_is_refused_on_the_page(admin, task, settings):
    settings.ATTACHMENT_MAX_BYTES = 2**20

    response = upload(admin, task, b"x" * (2**20 + 1))

    assert response.context["adminform"].form.errors == {"file": ["The file is larger than 1 MB."]}
    assert not Attachment.objects.exists()


def test_a_body_that_is_too_large_is_413(admin, task, settings):
    settings.MAX_UPLOAD_BYTES = 1000

    assert upload(admin, task, b"x" * 1000).status_code == 413


def test_one_too_many_is_refused_on_the_page(admin, task, settings):
    settings.ATTACHMENTS_PER_TASK = 1
    make_attachment(task)

    response = upload(admin, task)

    (said,) = response.context["adminform"].form.errors["file"]
    assert said == "The task has 1 attachments, which is as many as it can have."
    assert Attachment.objects.count() == 1


def test_no_room_is_said_on_the_page(admin, task, settings):
    settings.ATTACHMENT_QUOTA_BYTES = 4

    assert "of your 0 MB are left" in upload(admin, task, b"hello").text
    assert not Attachment.objects.exists()


@pytest.mark.parametrize("missing", ["task", "file"])
def test_a_form_with_something_missing_is_shown_again(admin, task, missing):
    form = {"task": task.pk, "file": SimpleUploadedFile("a.txt", b"hello")}
    del form[missing]

    response = admin.post(ADD, form)

    assert response.context["adminform"].form.errors == {missing: ["This field is required."]}


def test_an_empty_file_is_refused_on_the_page(admin, task):
    assert "file" in upload(admin, task, b"").context["adminform"].form.errors


def test_a_deleted_task_is_said_to_be_gone(admin, task):
    Task.objects.update(deleted_at=task.created_at)

    response = upload(admin, task)

    assert "The task was deleted meanwhile." in response.text
    assert not Attachment.objects.exists()


def test_a_file_whose_row_cannot_be_made_goes_though_the_page_has_a_transaction(
    committed_db, client, settings, monkeypatch
):
    """What remembers the stored file must outlive the request that fails, and a process that dies in it."""
    client.force_login(make_user("staff", is_staff=True, is_superuser=True))
    task = make_task(make_user("alice"))
    settings.ATTACHMENTS_PER_TASK = 1

    def take_the_last_place(point, facts) -> None:
        if point == "file written":
            monkeypatch.setattr(failpoints, "at_point", failpoints.nothing)
            make_attachment(task)

    monkeypatch.setattr(failpoints, "at_point", take_the_last_place)
    response = upload(client, task)

    assert "The task has 1 attachments" in response.text
    erasure = Erasure.objects.get()
    assert is_stored(erasure.key)
    assert (erase(), is_stored(erasure.key)) == (1, False)
    assert is_stored(Attachment.objects.get().key)


def test_a_storage_that_takes_no_file_is_said_to_be_away(admin, task, settings, tmp_path: Path):
    in_the_way = tmp_path / "a file"
    in_the_way.touch()
    entry = settings.STORAGES["attachments"]
    options = {**entry["OPTIONS"], "location": in_the_way}
    settings.STORAGES = {**settings.STORAGES, "attachments": {**entry, "OPTIONS": options}}

    assert "The file could not be stored. Try again later." in upload(admin, task).text


def test_quarantined_files_are_released_with_a_reason(admin, task):
    infected, unscannable = (make_attachment(task, state=state) for state in ("infected", "unscannable"))

    response = act(admin, "release", infected, unscannable, reason="a false alarm")

    infected.refresh_from_db()
    assert "2 attachments released." in said(response)
    assert (infected.state, infected.reason) == ("ready", "released by staff: a false alarm")
    assert infected.history[-1]["reason"] == "a false alarm"
    assert Attachment.objects.get(pk=unscannable.pk).state == "ready"


def test_nothing_is_released_without_a_reason_nor_what_is_not_quarantined(admin, task):
    infected, ready = make_attachment(task, state="infected", name="a.exe"), make_attachment(task, name="b.txt")

    without = act(admin, "release", infected, reason="  ")
    both = act(admin, "release", infected, ready, reason="a false alarm")

    assert "a.exe: Say why: the reason is kept with the attachment." in said(without)
    assert "b.txt: It is not quarantined." in said(both)
    assert "1 attachment released." in said(both)


def test_files_are_scanned_again_quarantined_ones_too(admin, task):
    ready, infected, waiting = (make_attachment(task, state=state) for state in ("ready", "infected", "uploaded"))

    response = act(admin, "rescan", ready, infected, waiting)

    assert "2 attachments queued for the scanner." in said(response)
    assert "hello.txt: It is being processed already." in said(response)
    assert {attachment.state for attachment in Attachment.objects.all()} == {"uploaded"}


def test_files_are_deleted_and_quarantined_ones_with_a_reason(admin, task):
    ready, infected = make_attachment(task), make_attachment(task, state="infected", name="a.exe")

    without = act(admin, "delete_files", ready, infected)
    assert "1 attachment deleted." in said(without)
    assert "a.exe: Say why: the reason is kept with the attachment." in said(without)
    assert (erase(), is_stored(ready.key), is_stored(infected.key)) == (1, False, True)
    act(admin, "delete_files", infected, reason="a virus")

    infected.refresh_from_db()
    assert (infected.history[-1]["by"], infected.history[-1]["reason"]) == ("staff", "a virus")
    assert (erase(), is_stored(infected.key)) == (1, False)


def test_what_is_deleted_already_is_said_to_be(admin, alice, task):
    attachment = make_attachment(task)
    services.delete_attachment(attachment, by=alice)

    response = act(admin, "delete_files", attachment, query="?deleted=yes")

    assert "hello.txt: It was deleted meanwhile." in said(response)


def test_names_of_files_and_of_owners_are_found(admin, bob, task):
    invoice, photo = make_attachment(task, name="Invoice.pdf"), make_attachment(make_task(bob), name="photo.jpg")

    assert listed(admin, "?q=invoice") == {invoice.pk}
    assert listed(admin, "?q=bob") == {photo.pk}
    assert listed(admin, "?q=alice+invoice") == {invoice.pk}
    assert listed(admin, "?q=alice+photo") == set()
    assert listed(admin, "?q=%25") == set()


def with_rights(client, *codenames: str):
    user = make_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def test_staff_without_rights_see_nothing_and_do_nothing(client, task):
    clerk = with_rights(client)
    attachment = make_attachment(task, state="infected")

    assert [clerk.get(path).status_code for path in (LIST, ADD, f"{LIST}{attachment.pk}/change/")] == [403, 403, 403]
    assert upload(clerk, task).status_code == 403
    assert act(clerk, "release", attachment, reason="x").status_code == 403
    assert Attachment.objects.get().state == "infected"


@pytest.mark.parametrize("action", ["rescan", "release", "delete_files"])
def test_who_may_only_look_has_no_actions(client, task, action):
    clerk = with_rights(client, "view_attachment")
    attachment = make_attachment(task, state="infected")

    response = act(clerk, action, attachment, reason="x")

    assert response.status_code == 200
    assert action not in response.text
    assert clerk.get(ADD).status_code == 403
    attachment.refresh_from_db()
    assert (attachment.state, attachment.deleted_at) == ("infected", None)


def test_who_may_change_does_not_delete(client, task):
    clerk = with_rights(client, "view_attachment", "change_attachment")
    attachment = make_attachment(task, state="infected")

    act(clerk, "delete_files", attachment, reason="x")
    act(clerk, "release", attachment, reason="x")

    attachment.refresh_from_db()
    assert (attachment.state, attachment.deleted_at) == ("ready", None)
    assert clerk.get(ADD).status_code == 403


def test_a_person_who_is_no_staff_is_sent_to_sign_in(client, alice, task):
    client.force_login(alice)

    assert client.get(LIST).status_code == 302
    assert upload(client, task, follow=False).status_code == 302
    assert not Attachment.objects.exists()
