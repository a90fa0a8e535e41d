"""Without the indexes that another one makes superfluous: each is written with every reminder that is made or moves.

In SQL, for Django would also make the foreign keys anew, and without what 0005 has them do.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

INDEXES = {
    ("reminders_reminder", "task_id"): "reminders_reminder_task_id_90d5f577",
    ("reminders_reminder", "rule_id"): "reminders_reminder_rule_id_222703cc",
    ("reminders_delivery", "reminder_id"): "reminders_delivery_reminder_id_e4682e4d",
    ("reminders_delivery", "recipient_id"): "reminders_delivery_recipient_id_f589d14d",
}


def foreign_key(to, related_name, **options):
    return models.ForeignKey(
        to=to, related_name=related_name, db_index=False,
        **{"on_delete": django.db.models.deletion.CASCADE, **options},
    )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [
        ("reminders", "0005_delete_with_the_task"),
        ("taskapp", "0003_delete_with_the_owner"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(f"DROP INDEX {name}", f"CREATE INDEX {name} ON {table} ({column})")
                for (table, column), name in INDEXES.items()
            ],
            state_operations=[
                migrations.AlterField("delivery", "recipient", foreign_key(settings.AUTH_USER_MODEL, "deliveries")),
                migrations.AlterField("delivery", "reminder", foreign_key("reminders.reminder", "deliveries")),
                migrations.AlterField("reminder", "task", foreign_key("taskapp.task", "reminders")),
                migrations.AlterField(
                    "reminder", "rule",
                    foreign_key(
                        "reminders.reminderrule", "reminders", db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                    ),
                ),
            ],
        )
    ]  # fmt: skip
