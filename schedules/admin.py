"""django-celery-beat's admin, with the next run, the last run, and runs on request."""

from datetime import datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import PeriodicTask, SolarSchedule

from schedules import services

# Solar schedules need an astronomy library, and are not supported.
admin.site.unregister([PeriodicTask, SolarSchedule])


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin):  # type: ignore[misc]
    """The name of the model stays PeriodicTask, so that bookmarks and permissions hold."""

    list_display = ["name", "enabled", "scheduler", "next_run", "last_run_at", "total_run_count", "task"]

    def get_fieldsets(self, request: HttpRequest, obj: PeriodicTask | None = None) -> Any:
        """Without the solar ones."""
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "solar"]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    @admin.display(description="Next run")
    def next_run(self, schedule: PeriodicTask) -> datetime | None:
        return services.next_run_at(schedule)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Ours instead of the one that publishes from the request, which hangs when the broker does."""
        return {name: action for name, action in super().get_actions(request).items() if name != "run_tasks"}

    actions = [*PeriodicTaskAdmin.actions, "run_now"]

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: HttpRequest, schedules: "QuerySet[PeriodicTask]") -> None:
        count = len(services.request_run(schedules, by=cast(User, request.user)))
        self.message_user(request, f"{count} job(s) will be published within a second.", messages.SUCCESS)
