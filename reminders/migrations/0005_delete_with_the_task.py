"""Rules, reminders and deliveries go with their task and their user, though the sweep adds some meanwhile."""

from django.db import migrations

from work.cascade import on_delete_cascade


class Migration(migrations.Migration):
    dependencies = [("reminders", "0004_rounds_and_turns"), ("taskapp", "0003_delete_with_the_owner")]
    operations = [
        on_delete_cascade("reminders_reminderrule", "owner_id"),
        on_delete_cascade("reminders_reminderrule", "task_id"),
        on_delete_cascade("reminders_reminder", "task_id"),
        on_delete_cascade("reminders_delivery", "reminder_id"),
        on_delete_cascade("reminders_delivery", "recipient_id"),
    ]
