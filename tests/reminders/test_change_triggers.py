"""What the triggers cost that append changes: it follows the rows of the statement, whatever the session did before."""

import pytest
from django.contrib.auth.models import User
from django.db import connection

from accounts.models import Preference
from attachments.models import Attachment, Erasure
from reminders.models import PersonChange, TaskChange
from taskapp.models import Task
from tests.factories import in_hours, make_task, upload_file

pytestmark = pytest.mark.django_db

MANY = 20_000


@pytest.fixture(autouse=True)
def _in_good_time(db) -> None:
    """Each statement takes some tenths of a second; one that looks at all rows for each row, half a minute."""
    execute("SET LOCAL statement_timeout = '10s'")


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


MANY_TASKS = f"""
    INSERT INTO taskapp_task (owner_id, title, due_at, timezone, priority)
    SELECT id, 'x', now() + interval '30 hours', 'UTC', 'medium' FROM auth_user, generate_series(1, {MANY})
"""
MANY_FILES = f"""
    INSERT INTO attachments_attachment (task_id, owner_id, name, size, sha256, content_type, declared_type, key, state)
    SELECT id, owner_id, 'x', 1, '', 'text/plain', '', 'file ' || number, 'ready'
    FROM taskapp_task, generate_series(1, {MANY}) AS number
"""
MANY_PEOPLE = f"""
    INSERT INTO auth_user
        (username, email, password, first_name, last_name, is_active, is_staff, is_superuser, date_joined)
    SELECT 'person ' || number, 'person@example.org', '', '', '', FALSE, FALSE, FALSE, now()
    FROM generate_series(1, {MANY}) AS number
"""
MANY_PREFERENCES = """
    INSERT INTO accounts_preference (user_id, email_enabled)
    SELECT id, FALSE FROM auth_user WHERE id NOT IN (SELECT user_id FROM accounts_preference)
"""


def test_many_tasks_are_changed_by_one_statement_after_one_was_changed(alice):
    make_task(alice)
    Task.objects.update(status="in_progress")
    execute(MANY_TASKS)
    execute("DELETE FROM reminders_taskchange")

    Task.objects.update(status="blocked")

    assert TaskChange.objects.count() == MANY + 1


def test_many_people_come_back_by_one_statement_after_one_has_signed_in(alice):
    User.objects.update(last_login=in_hours(0))
    execute(MANY_PEOPLE)

    User.objects.update(is_active=True)

    assert PersonChange.objects.count() == MANY


def test_mail_is_switched_on_for_many_by_one_statement_after_one_has_chosen_a_language(alice):
    Preference.objects.create(user=alice)
    Preference.objects.update(language="en")
    execute(MANY_PEOPLE)
    execute(MANY_PREFERENCES)

    Preference.objects.update(email_enabled=True)

    assert PersonChange.objects.count() == MANY


def test_many_files_are_deleted_by_one_statement_after_one_was_renamed(alice, settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path / "uploads"
    upload_file(make_task(alice))
    Attachment.objects.update(name="another.txt")
    execute(MANY_FILES)

    Attachment.objects.update(deleted_at=in_hours(0))

    assert Erasure.objects.count() == MANY + 1
