"""What one person asks for is looked up, however many files others have."""

import pytest
from django.db import connection
from django.db.models import Sum

from attachments.api import shown
from attachments.models import Attachment
from tests.factories import make_task

pytestmark = pytest.mark.django_db

MANY = """
    INSERT INTO attachments_attachment (task_id, name, size, sha256, content_type, declared_type, key, state, history)
    SELECT %s, 'a file', 1, '', 'text/plain', '', 'key ' || n, 'ready', '[]' FROM generate_series(1, 20000) AS n
"""


@pytest.fixture(autouse=True)
def _files_of_others(bob) -> None:
    task = make_task(bob)
    with connection.cursor() as cursor:
        cursor.execute(MANY, [task.pk])
        cursor.execute("ANALYZE attachments_attachment, taskapp_task")


def test_the_list_of_ones_files_reads_ones_files(alice):
    plan = shown(Attachment.objects.present().owned_by(alice)).order_by("-id")[:50].explain()

    assert "attachment_owner" in plan
    assert "Seq Scan on attachments_attachment" not in plan


def test_how_much_room_one_uses_is_summed_from_ones_files(alice):
    own = Attachment.objects.stored().filter(owner_id=alice.pk)

    plan = own.values("owner_id").annotate(bytes=Sum("size")).explain()

    assert "attachment_owner" in plan


def test_an_attachment_belongs_to_whoever_has_its_task(alice, bob):
    assert set(Attachment.objects.values_list("owner_id", flat=True)) == {bob.pk}

    with connection.cursor() as cursor:
        cursor.execute("UPDATE taskapp_task SET owner_id = %s", [alice.pk])

    assert set(Attachment.objects.values_list("owner_id", flat=True)) == {alice.pk}
