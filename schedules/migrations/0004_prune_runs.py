"""The schedule that keeps the ledger bounded: made once, here, and then an administrator's to edit or delete."""

from django.conf import settings
from django.db import migrations


def make_schedule(apps, schema_editor):
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    schedules = apps.get_model("django_celery_beat", "PeriodicTask").objects
    schedules.get_or_create(
        name="prune-runs",
        defaults={
            "task": "schedules.prune_runs",
            "crontab": crontabs.get_or_create(minute="30", hour="3", timezone=settings.TIME_ZONE)[0],
            "expire_seconds": 12 * 3600,
            "description": "Deletes settled runs of schedules after RUN_DAYS.",
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("schedules", "0003_changes_by_trigger"),
    ]
    operations = [migrations.RunPython(make_schedule, migrations.RunPython.noop)]
