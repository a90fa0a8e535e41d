"""The history by its age, for pruning; what is rare in it, for the admin; and four indexes fewer.

Others made those superfluous. At ten million reminders each of the four took up to 200 MB, and every reminder and every
step of a delivery wrote to them. They are dropped by name: altering the fields would make the foreign keys anew,
without ON DELETE CASCADE.

IF EXISTS: another 0006, which is gone, dropped the four as well (commits ae013b2 to 69aa0c0). A database that applied
it comes by here, too.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Greatest

CASCADE = django.db.models.deletion.CASCADE


def drop_index(table: str, column: str, name: str, field: models.Field) -> migrations.SeparateDatabaseAndState:
    return migrations.SeparateDatabaseAndState(
        [migrations.RunSQL(f"DROP INDEX IF EXISTS {name}", f"CREATE INDEX {name} ON reminders_{table} ({column}_id)")],
        [migrations.AlterField(table, column, field)],
    )


class Migration(migrations.Migration):
    dependencies = [
        ("reminders", "0005_delete_with_the_task"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        drop_index(
            "delivery", "recipient", "reminders_delivery_recipient_id_f589d14d",
            models.ForeignKey(settings.AUTH_USER_MODEL, CASCADE, related_name="deliveries", db_index=False),
        ),
        drop_index(
            "delivery", "reminder", "reminders_delivery_reminder_id_e4682e4d",
            models.ForeignKey("reminders.reminder", CASCADE, related_name="deliveries", db_index=False),
        ),
        drop_index(
            "reminder", "rule", "reminders_reminder_rule_id_222703cc",
            models.ForeignKey(
                "reminders.reminderrule", django.db.models.deletion.DO_NOTHING, related_name="reminders",
                db_constraint=False, db_index=False,
            ),
        ),
        drop_index(
            "reminder", "task", "reminders_reminder_task_id_90d5f577",
            models.ForeignKey("taskapp.task", CASCADE, related_name="reminders", db_index=False),
        ),
        migrations.AddIndex(
            model_name="reminder",
            index=models.Index(
                Greatest("due_at", "created_at"), "id", name="reminder_over",
                condition=models.Q(("status", "planned"), _negated=True),
            ),
        ),
        migrations.AddIndex(
            model_name="reminder",
            index=models.Index(
                fields=["-id"], name="reminder_cancelled", condition=models.Q(("status", "cancelled"))
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["-id"], name="delivery_suppressed", condition=models.Q(("status", "suppressed"))
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["-id"], name="delivery_unknown", condition=models.Q(("unknown_outcome", True))
            ),
        ),
    ]  # fmt: skip
