"""The default rule and the default schedules: made once, here, and then an administrator's to edit or delete."""

from datetime import timedelta

from django.conf import settings
from django.db import migrations


def make_rule(apps, schema_editor):
    rules = apps.get_model("reminders", "ReminderRule").objects
    if not rules.filter(kind="due_soon", owner=None, task=None).exists():
        rules.create(kind="due_soon", offset=-timedelta(hours=settings.REMINDER_WINDOW_HOURS))


def make_schedules(apps, schema_editor):
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    schedules = apps.get_model("django_celery_beat", "PeriodicTask").objects
    minutes = settings.REMINDER_CHECK_INTERVAL_MINUTES
    schedules.get_or_create(
        name="due-soon-reminders",
        defaults={
            "task": "reminders.send_due_soon",
            "interval": intervals.get_or_create(every=minutes, period="minutes")[0],
            "description": "The net beneath the wake source: plans, hands over and rescues reminders.",
        },
    )
    nightly = crontabs.get_or_create(minute="30", hour="3", timezone=settings.TIME_ZONE)[0]
    for name, job, description in (
        (
            "prune-reminders",
            "reminders.prune",
            "Deletes the history of reminders, and deleted tasks, after their time.",
        ),
        ("prune-results", "schedules.prune_results", "Deletes results of jobs after RESULT_DAYS."),
        ("prune-sign-ins", "accounts.prune", "Deletes old records of attempts to sign in, and ended sessions."),
    ):
        schedules.get_or_create(
            name=name,
            defaults={"task": job, "crontab": nightly, "expire_seconds": 12 * 3600, "description": description},
        )


class Migration(migrations.Migration):
    dependencies = [
        ("reminders", "0002_changes_by_trigger"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [
        migrations.RunPython(make_rule, migrations.RunPython.noop),
        migrations.RunPython(make_schedules, migrations.RunPython.noop),
    ]
