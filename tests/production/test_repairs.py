"""Migrations that were edited after they had been applied: a database that applied them before gets what it lacks."""

from importlib import import_module

import pytest
from django.db import connection

from attachments.models import Attachment
from tests.factories import make_attachment, make_task
from tests.schema import schema_of

pytestmark = pytest.mark.django_db

BEFORE_IS_RESUMED = """
CREATE OR REPLACE FUNCTION schedules_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO schedules_schedulechange (schedule_id)
    SELECT n.id FROM new_rows AS n JOIN old_rows AS o ON o.id = n.id WHERE n IS DISTINCT FROM o;
    RETURN NULL;
END
$$;
"""

# What makes the schema of today one that the first version of the migration left behind.
FIRST_VERSIONS = {
    "work.migrations.0004_repair_0003": "ALTER TABLE work_breaker DROP COLUMN while_carrying",
    "schedules.migrations.0005_repair_0002_and_0003": f"""
        ALTER TABLE schedules_schedulestate DROP COLUMN changed_at, DROP COLUMN resumed_at;
        ALTER TABLE schedules_schedulechange DROP COLUMN is_resumed;
        ALTER TABLE schedules_schedulerun DROP COLUMN is_doubted;
        {BEFORE_IS_RESUMED}
    """,
    "attachments.migrations.0004_repair_0001_and_0002": """
        DROP FUNCTION attachments_own, attachments_follow CASCADE;
        ALTER TABLE attachments_attachment DROP COLUMN owner_id;
    """,
    "reminders.migrations.0008_repair_0006": "DROP INDEX reminder_cancelled, delivery_suppressed, delivery_unknown",
}


# Later migrations that replace what one of those makes again.
REPLACED_BY = {
    "attachments.migrations.0004_repair_0001_and_0002": ["attachments.migrations.0005_bury_without_a_join"],
}


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def migrate(module: str) -> None:
    """Run the operations forward of the migration, and of those that follow it. They change no state of the models."""
    app = module.partition(".")[0]
    for one in [module, *REPLACED_BY.get(module, [])]:
        for operation in import_module(one).Migration.operations:
            operation.database_forwards(app, connection.schema_editor(atomic=False), None, None)


@pytest.mark.parametrize(("module", "first_version"), FIRST_VERSIONS.items(), ids=FIRST_VERSIONS)
def test_what_a_database_lacks_is_made(module, first_version):
    today = schema_of(connection)
    execute(first_version)
    assert schema_of(connection) != today

    migrate(module)

    assert schema_of(connection) == today


@pytest.mark.parametrize("module", FIRST_VERSIONS)
def test_a_database_that_lacks_nothing_stays_as_it_is(module):
    today = schema_of(connection)

    migrate(module)

    assert schema_of(connection) == today


def test_attachments_get_the_owner_of_their_task(alice):
    attachment = make_attachment(make_task(alice))
    execute("SET CONSTRAINTS ALL IMMEDIATE")  # as after a commit: a table with rows to be checked cannot be altered
    execute(FIRST_VERSIONS["attachments.migrations.0004_repair_0001_and_0002"])

    migrate("attachments.migrations.0004_repair_0001_and_0002")

    assert Attachment.objects.get(pk=attachment.pk).owner_id == alice.pk


def test_indexes_that_another_migration_has_dropped_do_not_stop_the_upgrade():
    today = schema_of(connection)
    operations = import_module("reminders.migrations.0006_history_by_age").Migration.operations
    drops = [drop for operation in operations for drop in getattr(operation, "database_operations", [])]

    for drop in drops:
        drop.database_forwards("reminders", connection.schema_editor(atomic=False), None, None)

    assert len(drops) == 4
    assert schema_of(connection) == today
