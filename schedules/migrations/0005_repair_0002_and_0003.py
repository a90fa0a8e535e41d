"""Adds the parts of the ledger that a database lacks, and does nothing elsewhere.

0002 and 0003 were edited after they had been applied: `changed_at` and its index came later (commit 81e0a62), then
`resumed_at`, `is_resumed` and `is_doubted` (b612695). In a database that applied an earlier version beat fails at its
first look, and no schedule runs.
"""

from importlib import import_module

from django.db import migrations

COLUMNS = """
ALTER TABLE schedules_schedulestate ADD COLUMN IF NOT EXISTS changed_at timestamptz,
                                    ADD COLUMN IF NOT EXISTS resumed_at timestamptz;
ALTER TABLE schedules_schedulechange ADD COLUMN IF NOT EXISTS is_resumed boolean NOT NULL DEFAULT false;
ALTER TABLE schedules_schedulerun ADD COLUMN IF NOT EXISTS is_doubted boolean NOT NULL DEFAULT false;
CREATE INDEX IF NOT EXISTS schedule_changed ON schedules_schedulestate (changed_at) WHERE changed_at IS NOT NULL;
"""

# The text of 0003, which stands still, so that there is one of each function.
TRIGGERS = (
    import_module("schedules.migrations.0003_changes_by_trigger")
    .SCHEDULES.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    .replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER")
)


class Migration(migrations.Migration):
    dependencies = [("schedules", "0004_prune_runs")]
    operations = [migrations.RunSQL(COLUMNS + TRIGGERS, migrations.RunSQL.noop)]
