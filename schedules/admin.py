"""django-celery-beat's admin, with the next run, the last run, and runs on request."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import PeriodicTask

from schedules import services

admin.site.unregister(PeriodicTask)


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin):  # type: ignore[misc]
    """The name of the model stays PeriodicTask, so that bookmarks and permissions hold."""

    list_display = ["name", "task", "scheduler", "enabled", "last_run_at", "next_run", "total_run_count"]

    @admin.display(description="Next run")
    def next_run(self, schedule: PeriodicTask) -> datetime | None:
        return services.next_run_at(schedule)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Ours instead of the one that publishes from the request, which hangs when the broker does."""
        return {name: action for name, action in super().get_actions(request).items() if name != "run_tasks"}

    actions = [*PeriodicTaskAdmin.actions, "run_now"]

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: HttpRequest, schedules: "QuerySet[PeriodicTask]") -> None:
        count = services.request_run(schedules, by=request.user)  # type: ignore[arg-type]
        self.message_user(request, f"{count} job(s) will be published within a second.", messages.SUCCESS)
