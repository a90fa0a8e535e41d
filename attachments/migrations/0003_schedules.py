"""The schedules of attachments: made once, here, and then an administrator's to edit or delete."""

from django.conf import settings
from django.db import migrations


def make_schedules(apps, schema_editor):
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    schedules = apps.get_model("django_celery_beat", "PeriodicTask").objects
    schedules.get_or_create(
        name="process-attachments",
        defaults={
            "task": "attachments.process",
            "queue": "files",
            "interval": intervals.get_or_create(every=1, period="minutes")[0],
            "description": "The net beneath the wake source: scans files, draws thumbnails, erases what is to go.",
        },
    )
    schedules.get_or_create(
        name="prune-attachments",
        defaults={
            "task": "attachments.prune",
            "crontab": crontabs.get_or_create(minute="30", hour="3", timezone=settings.TIME_ZONE)[0],
            "expire_seconds": 12 * 3600,
            "description": "Erases the files of tasks that were deleted for good.",
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("attachments", "0002_kept_by_trigger"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(make_schedules, migrations.RunPython.noop)]
