"""Creates three indexes of the admin's lists where a database lacks them, and does nothing elsewhere.

0006 was edited after it had been applied: it got these indexes when two branches were merged (commit 69aa0c0). In a
database that applied the first version the lists of cancelled reminders and of suppressed and unknown deliveries read
the whole table.
"""

from django.db import migrations

# Reminders first: a transaction that deletes a reminder locks in this order, too.
INDEXES = """
CREATE INDEX IF NOT EXISTS reminder_cancelled ON reminders_reminder (id DESC) WHERE status = 'cancelled';
CREATE INDEX IF NOT EXISTS delivery_suppressed ON reminders_delivery (id DESC) WHERE status = 'suppressed';
CREATE INDEX IF NOT EXISTS delivery_unknown ON reminders_delivery (id DESC) WHERE unknown_outcome;
"""


class Migration(migrations.Migration):
    dependencies = [("reminders", "0007_infected_files")]
    operations = [migrations.RunSQL(INDEXES, migrations.RunSQL.noop)]
