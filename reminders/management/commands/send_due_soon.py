"""manage.py send_due_soon: one sweep by hand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from reminders.channels.mime import describe_due
from reminders.models import Reminder
from reminders.sweep import preview, send_due_soon


class Command(BaseCommand):
    help = "Plan what changed, hand over what is due, and ring for the workers, who send it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what a sweep would do, for each task; change nothing."
        )

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        if dry_run:
            self.show_preview()
        else:
            counts = send_due_soon()
            self.stdout.write(", ".join(f"{name}: {count}" for name, count in counts.items()))

    def show_preview(self) -> None:
        new, due = preview()
        for reminder in due:
            self.stdout.write(f"would send now    {describe(reminder)}")
        for reminder in new:
            if reminder not in due:
                self.stdout.write(
                    f"would plan        {describe(reminder)}, for {reminder.remind_at:%Y-%m-%d %H:%M:%S} UTC"
                )
        self.stdout.write(f"{len(due)} to send now, {len(new)} newly planned; nothing was changed.")


def describe(reminder: Reminder) -> str:
    task = reminder.task
    due = describe_due(reminder.due_at, zone=task.timezone, all_day=task.all_day)
    return f"task {task.pk} of {task.owner.get_username()}: {task.title!r}, due {due}"
