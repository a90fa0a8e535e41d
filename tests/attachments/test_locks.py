"""Who waits for whom: what crosses on its way to an attachment, its task and its owner."""

from datetime import timedelta
from threading import Thread

from django.contrib.auth.models import User
from django.db import connection

from attachments.models import Attachment
from attachments.pruning import delete_with_their_tasks
from taskapp.models import Task
from tests.at_once import another_connection
from tests.factories import in_hours, make_attachment, make_task, make_user
from tests.waiting import eventually

WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def in_a_thread(run) -> tuple[Thread, list[Exception]]:
    """Begun, and waiting for a lock."""
    errors: list[Exception] = []

    def work() -> None:
        try:
            run()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    thread = Thread(target=work)
    thread.start()
    eventually(is_somebody_waiting, within=10, every=0.02)
    return thread, errors


def is_somebody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return cursor.fetchone() is not None


def test_a_user_is_deleted_while_a_worker_writes_down_what_it_has_found(committed_db):
    """The worker has the attachment first, and then its scan; so has the deletion."""
    alice = make_user("alice")
    attachment = make_attachment(make_task(alice))
    with another_connection() as worker:
        worker.execute("SELECT 1 FROM attachments_attachment WHERE id = %s FOR NO KEY UPDATE", [attachment.pk])
        thread, errors = in_a_thread(alice.delete)
        worker.execute("UPDATE attachments_scan SET seconds = 1 WHERE attachment_id = %s", [attachment.pk])
    thread.join()

    assert errors == []
    assert not User.objects.exists()
    assert not Attachment.objects.exists()


def test_a_user_is_deleted_while_an_upload_of_theirs_ends(committed_db):
    """The upload has the owner first, and then the task; so has the deletion."""
    alice = make_user("alice")
    task = make_task(alice)
    with another_connection() as upload:
        upload.execute("SELECT 1 FROM auth_user WHERE id = %s FOR NO KEY UPDATE", [alice.pk])
        thread, errors = in_a_thread(alice.delete)
        upload.execute("SELECT 1 FROM taskapp_task WHERE id = %s FOR NO KEY UPDATE", [task.pk])
    thread.join()

    assert errors == []
    assert not User.objects.exists()


def test_files_of_a_task_that_is_just_being_restored_stay(committed_db):
    attachment = make_attachment(make_task(make_user("alice"), deleted_at=in_hours(-24 * 31)))
    with another_connection() as restoring:
        restoring.execute("UPDATE taskapp_task SET deleted_at = NULL")

        deleted = delete_with_their_tasks(tombstones=timedelta(days=30))

    assert deleted == 0
    assert Task.objects.get().deleted_at is None
    assert Attachment.objects.present().get() == attachment
