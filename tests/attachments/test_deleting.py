"""Whoever deletes an attachment, and by whatever means: its files go, once, and what is quarantined stays."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from attachments import pruning, services
from attachments.erasing import AGAIN_AFTER, LONGEST, erase
from attachments.errors import NotInThatStateError, QuarantinedError, ReasonMissingError
from attachments.models import Attachment, Erasure, Scan, Thumbnail, Thumbnailing
from reminders.pruning import prune as prune_reminders
from taskapp.models import Task
from taskapp.services import delete_task, purge_tombstones, restore_task
from tests.attachments.storage import files_in
from tests.factories import make_attachment, make_task, make_thumbnail

DAYS = timedelta(days=1)
QUARANTINED = ["infected", "unscannable"]


@pytest.fixture
def attachment(alice) -> Attachment:
    """With two thumbnails: three files."""
    attachment = make_attachment(make_task(alice, due_in_hours=None), content=b"hello")
    make_thumbnail(attachment)
    make_thumbnail(attachment, size="large")
    Thumbnailing.objects.create(attachment=attachment, owner_id=alice.pk, status="done")
    return attachment


def keys_of(attachment: Attachment) -> list[str]:
    return sorted([attachment.key, *(thumbnail.key for thumbnail in attachment.thumbnails.all())])


def path_of(attachment: Attachment) -> str:
    return f"/api/v1/attachments/{attachment.pk}/"


def sql(statement: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def task_deleted_ago(attachment: Attachment, *, days: float) -> None:
    Task.objects.filter(pk=attachment.task_id).update(deleted_at=timezone.now() - days * DAYS)


def prune(*, history: timedelta = 90 * DAYS, tombstones: timedelta = 30 * DAYS) -> dict[str, int]:
    return pruning.prune(history=history, tombstones=tombstones)


def test_what_its_owner_deletes_is_gone_and_its_files_go_once(alice, api, attachment, observed):
    keys = keys_of(attachment)

    response = api(alice).delete(path_of(attachment))

    assert (response.status_code, response.content) == (204, b"")
    assert api(alice).get(path_of(attachment)).status_code == 404
    assert api(alice).delete(path_of(attachment)).status_code == 404
    assert api(alice).get("/api/v1/attachments/").json()["count"] == 0
    assert (erase(), erase()) == (3, 0)
    assert sorted(observed.deleted) == keys
    assert files_in(Path(observed.location)) == []
    assert not Erasure.objects.exists()


def test_a_tombstone_says_who_has_deleted_it_and_has_no_stages(alice, api, attachment):
    api(alice).delete(path_of(attachment))

    attachment.refresh_from_db()
    assert attachment.deleted_at is not None
    assert (attachment.history[-1]["step"], attachment.history[-1]["by"]) == ("deleted", "alice")
    assert [model.objects.count() for model in (Scan, Thumbnailing, Thumbnail)] == [0, 0, 0]


@pytest.mark.parametrize("state", ["uploaded", "scanning", "clean", "ready", "failed"])
def test_an_owner_may_delete_in_every_state_but_quarantine(alice, api, stored, state):
    attachment = make_attachment(make_task(alice), state=state)

    assert api(alice).delete(path_of(attachment)).status_code == 204
    assert (erase(), files_in(stored)) == (1, [])


@pytest.mark.parametrize("state", QUARANTINED)
def test_what_is_quarantined_is_not_its_owners_to_delete(alice, api, stored, state):
    attachment = make_attachment(make_task(alice), state=state)

    response = api(alice).delete(path_of(attachment))

    assert response.status_code == 403
    assert response.json()["detail"] == "It is quarantined: only an administrator may delete or release it."
    attachment.refresh_from_db()
    assert attachment.deleted_at is None
    assert (erase(), len(files_in(stored))) == (0, 1)


def test_what_is_quarantined_is_deleted_by_an_administrator_who_says_why(alice, staff, stored):
    attachment = make_attachment(make_task(alice), state="infected")

    with pytest.raises(QuarantinedError):
        services.delete_attachment(attachment, by=staff, reason="a virus")
    for reason in ("", "  "):
        with pytest.raises(ReasonMissingError):
            services.delete_attachment(attachment, by=staff, reason=reason, as_administrator=True)
    assert (erase(), len(files_in(stored))) == (0, 1)
    services.delete_attachment(attachment, by=staff, reason="a virus", as_administrator=True)

    attachment.refresh_from_db()
    last = attachment.history[-1]
    assert (last["step"], last["by"], last["reason"]) == ("deleted", "staff", "a virus")
    assert (erase(), files_in(stored)) == (1, [])
    with pytest.raises(NotInThatStateError):
        services.delete_attachment(attachment, by=staff, reason="a virus", as_administrator=True)


def test_files_of_a_deleted_task_are_hidden_and_come_back_with_it(alice, api, attachment, stored):
    delete_task(attachment.task)

    assert api(alice).get(path_of(attachment)).status_code == 404
    assert api(alice).get(path_of(attachment) + "content/").status_code == 404
    assert api(alice).delete(path_of(attachment)).status_code == 404
    assert api(alice).post(path_of(attachment) + "rescan/").status_code == 404
    assert api(alice).get("/api/v1/attachments/").json()["count"] == 0
    assert (erase(), len(files_in(stored))) == (0, 3)
    restore_task(attachment.task)

    assert api(alice).get(path_of(attachment)).json()["state"] == "ready"
    content = api(alice).get(path_of(attachment) + "content/")
    assert b"".join(content.streaming_content) == b"hello"


def test_files_of_a_task_go_once_it_can_no_longer_be_restored(attachment, stored):
    task_deleted_ago(attachment, days=29)
    assert prune()["attachments"] == 0
    task_deleted_ago(attachment, days=31)

    counts = prune()

    attachment.refresh_from_db()
    assert counts["attachments"] == 1
    assert (attachment.history[-1]["step"], attachment.history[-1]["by"]) == ("deleted", "its task")
    assert (erase(), files_in(stored)) == (3, [])
    assert prune()["attachments"] == 0


def test_files_of_a_task_that_is_not_deleted_stay(attachment, stored):
    assert prune() == {"attachments": 0, "rows": 0, "uploads": 0}
    assert (erase(), len(files_in(stored))) == (0, 3)


@pytest.mark.parametrize("state", QUARANTINED)
def test_what_is_quarantined_outlives_its_task(alice, stored, state):
    attachment = make_attachment(make_task(alice), state=state)
    task_deleted_ago(attachment, days=1000)

    assert prune()["attachments"] == 0
    assert (erase(), len(files_in(stored))) == (0, 1)


def test_a_tombstone_goes_with_the_history_and_erases_nothing_more(alice, api, attachment, observed):
    api(alice).delete(path_of(attachment))
    erase()
    Attachment.objects.update(deleted_at=timezone.now() - 89 * DAYS)
    assert prune()["rows"] == 0
    Attachment.objects.update(deleted_at=timezone.now() - 91 * DAYS)

    assert prune()["rows"] == 1
    assert not Attachment.objects.exists()
    assert (erase(), len(observed.deleted)) == (0, 3)


MEANS = {
    "SQL on the attachment": lambda attachment: sql("DELETE FROM attachments_attachment WHERE id = %s", attachment.pk),
    "SQL on the task": lambda attachment: sql("DELETE FROM taskapp_task WHERE id = %s", attachment.task_id),
    "SQL on all thumbnails and attachments": lambda attachment: sql(
        "DELETE FROM attachments_thumbnail; DELETE FROM attachments_attachment"
    ),
    "SQL that makes a tombstone": lambda attachment: sql(
        "UPDATE attachments_attachment SET deleted_at = now() WHERE id = %s", attachment.pk
    ),
    "the ORM on the attachment": lambda attachment: attachment.delete(),
    "the ORM on the task": lambda attachment: attachment.task.delete(),
    "the ORM on the user": lambda attachment: User.objects.get(pk=attachment.task.owner_id).delete(),
    "the ORM on many": lambda attachment: Attachment.objects.all().delete(),
}


@pytest.mark.parametrize("delete", MEANS.values(), ids=MEANS)
def test_files_go_by_whatever_means_an_attachment_is_deleted(attachment, observed, delete):
    keys = keys_of(attachment)

    delete(attachment)

    assert sorted(Erasure.objects.values_list("key", flat=True)) == keys
    assert (erase(), sorted(observed.deleted), files_in(Path(observed.location))) == (3, keys, [])


def test_a_deletion_that_is_taken_back_erases_nothing(attachment, stored):
    sql("SAVEPOINT before")
    sql("DELETE FROM attachments_attachment")
    sql("ROLLBACK TO SAVEPOINT before")

    assert (erase(), len(files_in(stored))) == (0, 3)


def test_other_changes_of_an_attachment_erase_nothing(attachment, stored):
    Attachment.objects.update(reason="looked at")

    assert (erase(), len(files_in(stored))) == (0, 3)
    assert Thumbnail.objects.count() == 2


def test_whoever_dies_between_the_file_and_the_row_leaves_it_to_the_next(alice, api, observed, at_point):
    attachment = make_attachment(make_task(alice))
    api(alice).delete(path_of(attachment))

    def die() -> None:
        raise SystemExit

    at_point("file deleted", die)
    with pytest.raises(SystemExit):
        erase()
    assert files_in(Path(observed.location)) == []
    assert erase() == 0  # not at once
    Erasure.objects.update(not_before=timezone.now())

    assert (erase(), erase()) == (1, 0)
    assert not Erasure.objects.exists()
    assert observed.deleted == [attachment.key] * 2


def test_a_storage_that_cannot_delete_is_asked_again_later(alice, api, observed):
    attachment = make_attachment(make_task(alice))
    api(alice).delete(path_of(attachment))
    observed.is_broken = True

    waits = []
    for _ in range(8):
        Erasure.objects.update(not_before=timezone.now())
        assert erase() == 1
        waits.append(Erasure.objects.get().not_before - timezone.now())

    erasure = Erasure.objects.get()
    assert (erasure.attempts, erasure.reason) == (8, "OSError")
    assert all(abs(wait - AGAIN_AFTER * 2**n) < timedelta(seconds=5) for n, wait in enumerate(waits[:6]))
    assert abs(waits[-1] - LONGEST) < timedelta(seconds=5)
    assert erase() == 0
    observed.is_broken = False
    Erasure.objects.update(not_before=timezone.now())
    assert (erase(), files_in(Path(observed.location))) == (1, [])
    assert not Erasure.objects.exists()


def test_one_file_that_cannot_be_deleted_does_not_keep_the_others(alice, stored):
    stuck, other = (make_attachment(make_task(alice)) for _ in range(2))
    (stored / stuck.key).unlink()
    (stored / stuck.key / "in the way").mkdir(parents=True)

    Attachment.objects.all().delete()

    assert erase() == 2
    assert [erasure.key for erasure in Erasure.objects.all()] == [stuck.key]
    assert not (stored / other.key).exists()


def test_a_file_that_is_gone_already_is_as_good_as_deleted(attachment, stored):
    for path in files_in(stored):
        path.unlink()

    attachment.delete()

    assert erase() == 3
    assert not Erasure.objects.exists()


def test_what_a_clock_that_was_set_back_has_put_off_goes(db):
    Erasure.objects.create(key="00/lost", not_before=timezone.now() + timedelta(days=300))

    assert erase() == 1
    assert not Erasure.objects.exists()


def test_all_rows_that_are_old_enough_go_however_many(alice, monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 2)
    for _ in range(5):
        make_attachment(make_task(alice), deleted_at=timezone.now() - timedelta(days=100))

    assert prune()["rows"] == 5
    assert not Attachment.objects.exists()


def test_a_task_is_not_purged_while_a_file_of_it_is_quarantined(alice, staff):
    attachment = make_attachment(make_task(alice, due_in_hours=None), state="infected")
    clean = make_attachment(make_task(alice, due_in_hours=None))
    for each in (attachment, clean):
        task_deleted_ago(each, days=1000)

    def purged() -> int:
        return prune_reminders(history=90 * DAYS, tombstones=30 * DAYS)["tasks"]

    assert purged() == 1
    assert list(Task.objects.all()) == [attachment.task]
    services.delete_attachment(attachment, by=staff, reason="a virus", as_administrator=True)
    assert purged() == 1
    assert not Attachment.objects.exists()


def test_a_task_with_a_released_file_is_purged(alice, staff, stored):
    attachment = make_attachment(make_task(alice, due_in_hours=None), state="unscannable")
    task_deleted_ago(attachment, days=1000)
    services.release_attachment(attachment, by=staff, reason="a false alarm")

    assert prune_reminders(history=90 * DAYS, tombstones=30 * DAYS)["tasks"] == 1
    assert (erase(), files_in(stored)) == (1, [])


def test_files_go_with_a_task_that_is_purged(attachment, stored):
    task_deleted_ago(attachment, days=31)

    assert purge_tombstones(older_than=30 * DAYS) == 1
    assert (erase(), files_in(stored)) == (3, [])
