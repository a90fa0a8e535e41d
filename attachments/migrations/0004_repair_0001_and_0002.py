"""Adds an attachment's owner and the triggers that keep it to databases that lack them, and does nothing elsewhere.

0001 and 0002 were edited after they had been applied: `owner_id`, its index and two triggers came later (commit
8e23cbb). In a database that applied the first version no file can be uploaded, listed or counted against a quota.
"""

from importlib import import_module

from django.db import migrations

# Tasks are locked first: a transaction that deletes or restores a task locks them in this order, too.
COLUMN = """
LOCK TABLE taskapp_task IN SHARE ROW EXCLUSIVE MODE;
ALTER TABLE attachments_attachment ADD COLUMN IF NOT EXISTS owner_id integer NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS attachment_owner ON attachments_attachment (owner_id, id DESC) WHERE deleted_at IS NULL;
"""

# The text of 0002, which stands still, so that there is one of each function.
TRIGGERS = (
    import_module("attachments.migrations.0002_kept_by_trigger")
    .LET_GO.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    .replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER")
)

# Where the trigger of 0002 has been from the beginning, no row has the column's default.
OWNERS = """
UPDATE attachments_attachment AS attachment SET owner_id = task.owner_id
FROM taskapp_task AS task WHERE task.id = attachment.task_id AND attachment.owner_id = 0;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("attachments", "0003_schedules"),
        ("taskapp", "0004_vacuum"),
    ]
    operations = [migrations.RunSQL(COLUMN + TRIGGERS + OWNERS, migrations.RunSQL.noop)]
