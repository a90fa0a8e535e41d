"""Runs in the admin: rows that beat and the workers write, and people read. Loaded by admin.py."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, cast
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult

from edges.zones import zone_or_utc
from schedules.models import ScheduleRun
from schedules.planning import in_words

MOST_COUNTED = 10_000


def results_of(runs: list[ScheduleRun]) -> dict[str, str]:
    """Where the results of their jobs are, by the job's id; one query."""
    found = TaskResult.objects.filter(task_id__in=[str(run.job_id) for run in runs]).values_list("task_id", "pk")
    return {job: reverse("admin:django_celery_results_taskresult_change", args=[pk]) for job, pk in found}


def change_page(row: ScheduleRun | PeriodicTask) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def late(run: ScheduleRun) -> str:
    return in_words(max(run.started_at - run.scheduled_for, timedelta(0))) if run.started_at else ""


def as_text(moment: datetime, zone: str | None = None) -> str:
    """In that zone, else in the service's: Thu 2026-12-03 09:00:00 CET."""
    local = moment.astimezone(zone_or_utc(zone)) if zone else timezone.localtime(moment)
    return f"{local:%a %Y-%m-%d %H:%M:%S %Z}"


class FirstPages(Paginator):
    """Counts no further than people leaf; what lies behind is found by filters."""

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[ScheduleRun]", self.object_list).order_by()[:MOST_COUNTED].count()


class ScheduleFilter(admin.SimpleListFilter):
    title = "schedule"
    parameter_name = "schedule"
    most = 100

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The first by name, and the one that is chosen; others are found by the search, or from their own page."""
        named = PeriodicTask.objects.order_by("name").values_list("pk", "name")
        chosen = request.GET.get("schedule", "")
        found = dict(named[: self.most])
        if chosen.isascii() and chosen.isdecimal() and len(chosen) < 10:
            found |= dict(named.filter(pk=chosen))
        return [(str(pk), name) for pk, name in found.items()]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: "QuerySet[ScheduleRun]") -> "QuerySet[ScheduleRun]":
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(schedule=value) if value in dict(self.lookup_choices) else queryset.none()


class RunChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        runs = cast(list[ScheduleRun], list(self.result_list))
        results = results_of(runs)
        for run in runs:
            run.result_page = results.get(str(run.job_id))  # type: ignore[attr-defined]
        self.result_list = runs


@admin.register(ScheduleRun)
class RunAdmin(admin.ModelAdmin):
    """Rows that beat and the workers write, and people read."""

    list_display = ["moment", "schedule_name", "kind", "status", "how_late", "reason", "result"]
    list_filter = ["status", "kind", "scheduled_for", ScheduleFilter]
    list_select_related = ["schedule"]
    search_fields = ["schedule__name"]
    search_help_text = "A schedule's name, or the id of a job"
    ordering = ["-scheduled_for", "-id"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count every row
    paginator = FirstPages
    list_per_page = 50
    fields = [
        "schedule_page", "kind", "scheduled_for", "ticks", "since", "status", "reason", "how_late", "published_at",
        "publishes", "started_at", "starts", "finished_at", "worker", "job_id", "result", "requested_by", "key",
    ]  # fmt: skip
    readonly_fields = cast(list[str], fields)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunChangeList

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        try:
            return queryset.filter(job_id=UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)

    @admin.display(description="Moment", ordering="scheduled_for")
    def moment(self, run: ScheduleRun) -> str:
        """With its seconds."""
        return as_text(run.scheduled_for)

    @admin.display(description="Schedule", ordering="schedule__name")
    def schedule_name(self, run: ScheduleRun) -> str:
        return str(run.schedule.name)

    @admin.display(description="Schedule")
    def schedule_page(self, run: ScheduleRun) -> str:
        return format_html('<a href="{}">{}</a>', change_page(run.schedule), run.schedule.name)

    @admin.display(description="Late")
    def how_late(self, run: ScheduleRun) -> str:
        return late(run)

    @admin.display(description="Result")
    def result(self, run: ScheduleRun) -> str:
        """In the list, its page was found along with those of the others."""
        page = run.result_page if hasattr(run, "result_page") else results_of([run]).get(str(run.job_id))
        return format_html('<a href="{}">result</a>', page) if page else ""
