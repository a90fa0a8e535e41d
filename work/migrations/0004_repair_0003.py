"""Adds `breaker.while_carrying` to databases that lack it, and does nothing elsewhere.

0003 was edited after it had been applied: the column was added to it later (commit 8507b05). A database that applied the
first version lacks the column, and every worker fails when it asks for the breaker.
"""

from django.db import migrations

COLUMN = "ALTER TABLE work_breaker ADD COLUMN IF NOT EXISTS while_carrying boolean NOT NULL DEFAULT false"


class Migration(migrations.Migration):
    dependencies = [("work", "0003_alone_and_accepted")]
    operations = [migrations.RunSQL(COLUMN, migrations.RunSQL.noop)]
