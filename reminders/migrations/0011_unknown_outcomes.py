"""Counts unknown outcomes, and keeps when a message was last refused."""

from django.db import migrations, models

# Those that are over are not rewritten: nobody counts on.
COUNT = """
UPDATE reminders_delivery SET unknown_outcomes = 1  -- index: delivery_unknown
WHERE unknown_outcome AND status IN ('queued', 'leased')
"""


class Migration(migrations.Migration):
    dependencies = [("reminders", "0010_changes_without_a_join")]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="refused_at",
            field=models.DateTimeField(
                editable=False, help_text="When the channel's server last refused this message.", null=True
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="unknown_outcomes",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="How many attempts ended so, since a person last retried.",
            ),
        ),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
    ]
