"""Schedules and their runs in the admin: django-celery-beat's pages, with what is expected and what came of it."""

from datetime import datetime, timedelta
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django_celery_beat.admin import (
    ClockedScheduleAdmin,
    CrontabScheduleAdmin,
    IntervalScheduleAdmin,
    PeriodicTaskAdmin,
)
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
    SolarSchedule,
)

from edges.permissions import may
from edges.zones import moment_in_words
from schedules import editing, services
from schedules.definitions import Definition
from schedules.forms import (
    ClockedForm,
    CrontabForm,
    IntervalForm,
    PolicyForm,
    PolicyFormSet,
    PreviewForm,
    ScheduleForm,
    crontab_to_preview,
    zone_of,
)
from schedules.models import Policy, ScheduleRun
from schedules.outlook import outlook_of, upcoming, with_outlooks
from schedules.run_admin import as_text, change_page, late, results_of

RUNS_SHOWN = 20
MOMENTS_SHOWN = 5

# Solar schedules need an astronomy library, and are not supported.
admin.site.unregister([PeriodicTask, SolarSchedule, CrontabSchedule, IntervalSchedule, ClockedSchedule])


class PolicyInline(admin.StackedInline):
    """A part of the schedule: who may change that may change this, here as over the API."""

    model = Policy
    form = PolicyForm
    formset = PolicyFormSet
    can_delete = False
    extra = 0
    verbose_name = verbose_name_plural = "What happens to missed and overlapping runs"
    fieldsets = [
        (
            None,
            {
                "description": "How it behaves when something is late. The defaults suit most jobs.",
                "fields": ["catch_up", "window", "overlap", "runs_again"],
            },
        ),
        ("Leave out", {"fields": ["paused_until", "skip_at"]}),
    ]

    def get_min_num(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """One that is not stored is offered to whoever may store it. Django would show its fields to others, too."""
        return 1 if self.has_add_permission(request, obj) else 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(cast(User, request.user), PeriodicTask, ["view", "change"])

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(cast(User, request.user), PeriodicTask, ["change"] if obj else ["add"])

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(cast(User, request.user), PeriodicTask, ["change"])


class ScheduleChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        """What beat knows of all rows of the page, in one query."""
        super().get_results(request)
        self.result_list = with_outlooks(list(self.result_list))


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin):  # type: ignore[misc]
    """The name of the model stays PeriodicTask, so that bookmarks and permissions hold."""

    form = ScheduleForm
    inlines = [PolicyInline]
    change_form_template = "schedules/change_schedule.html"
    list_display = ["name", "enabled", "in_words", "problem", "next_run", "last_ran", "total_run_count", "task"]
    list_filter = ["enabled", "one_off", "task"]
    readonly_fields = ["last_run"]
    actions = ["enable_tasks", "disable_tasks", "run_now", "skip_next", "pause_for_an_hour", "resume"]
    fieldsets = [
        (None, {"fields": ["name", "regtask", "task", "enabled", "description"]}),
        (
            "When",
            {
                "description": "One of interval, crontab and clocked. A clocked schedule runs once.",
                "fields": ["interval", "crontab", "clocked", "start_time", "expires", "one_off", "last_run"],
            },
        ),
        ("Arguments", {"fields": ["args", "kwargs"], "classes": ["collapse"]}),
        (
            "Message",
            {
                "fields": ["expire_seconds", "queue", "exchange", "routing_key", "priority", "headers"],
                "classes": ["collapse"],
            },
        ),
    ]

    class Media:
        js = ["schedules/preview.js"]

    # The list

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ScheduleChangeList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Without the original's warning of a wrong scheduler: settings take ours and the stock one alone."""
        return admin.ModelAdmin.changelist_view(self, request, extra_context)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[PeriodicTask]":
        return admin.ModelAdmin.get_queryset(self, request).select_related("interval", "crontab", "solar", "clocked")

    @admin.display(description="Schedule")
    def in_words(self, schedule: PeriodicTask) -> str:
        return str(schedule.scheduler or "—")

    @admin.display(description="Problem")
    def problem(self, schedule: PeriodicTask) -> str:
        problem = outlook_of(schedule).problem
        return format_html('<strong style="color: var(--error-fg)">broken: {}</strong>', problem) if problem else ""

    @admin.display(description="Last run")
    def last_run(self, schedule: PeriodicTask) -> str:
        """Without what django-celery-beat says about it, which does not hold here."""
        return in_its_zone(schedule, schedule.last_run_at) or "—"

    @admin.display(description="Last run", ordering="last_run_at")
    def last_ran(self, schedule: PeriodicTask) -> str | None:
        return in_its_zone(schedule, schedule.last_run_at)

    @admin.display(description="Next run")
    def next_run(self, schedule: PeriodicTask) -> str | None:
        return in_its_zone(schedule, outlook_of(schedule).next_run_at)

    @admin.display(description="Start")
    def starts(self, schedule: PeriodicTask) -> str | None:
        return in_its_zone(schedule, schedule.start_time)

    @admin.display(description="Expires")
    def ends(self, schedule: PeriodicTask) -> str | None:
        return in_its_zone(schedule, schedule.expires)

    # The page of one

    def get_fieldsets(self, request: HttpRequest, obj: PeriodicTask | None = None) -> Any:
        """Who may only look sees start and expiry in the schedule's zone, too."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        looked_at = {"start_time": "starts", "expires": "ends"}
        sets = cast(list[tuple[str | None, dict[str, Any]]], self.fieldsets)
        return [
            (name, {**options, "fields": [looked_at.get(field, field) for field in options["fields"]]})
            for name, options in sets
        ]

    def get_urls(self) -> Any:
        preview = path("preview/", self.admin_site.admin_view(self.preview), name="schedules_preview")
        return [preview, *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Without the original's list of all crontabs; with expected and actual."""
        shown = {"preview_url": reverse("admin:schedules_preview"), **(extra_context or {})}
        schedule = self.get_object(request, object_id) if object_id else None
        if schedule is not None and self.has_view_permission(request, schedule):
            may_see_runs = may(cast(User, request.user), ScheduleRun, ["view", "change"])
            shown |= expected_and_actual(schedule, runs_shown=RUNS_SHOWN if may_see_runs else 0)
        return admin.ModelAdmin.changeform_view(self, request, object_id, form_url, shown)

    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: ScheduleForm, change: bool) -> None:
        """Of a known schedule the columns that were changed: beat may be writing the others."""
        if change:
            editing.change_columns(obj, form.columns())
        else:
            super().save_model(request, obj, form, change)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[PeriodicTask]") -> None:
        super().delete_queryset(request, queryset)
        PeriodicTasks.update_changed()

    def preview(self, request: HttpRequest) -> JsonResponse:
        """When a schedule would run that has what stands in the form."""
        if not (self.has_change_permission(request) or self.has_add_permission(request)):
            raise PermissionDenied
        try:
            return JsonResponse(told(self._previewed(request)))
        except ValidationError as error:
            return JsonResponse({"problem": " ".join(error.messages)})

    def _previewed(self, request: HttpRequest) -> Definition:
        return crontab_to_preview(request.GET) if "minute" in request.GET else PreviewForm(request.GET).definition()

    # Actions

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Ours instead of the one that publishes from the request, which hangs when the broker does."""
        gone = {"run_tasks", "toggle_tasks"}
        return {name: action for name, action in super().get_actions(request).items() if name not in gone}

    @admin.action(description="Enable", permissions=["change"])
    def enable_tasks(self, request: HttpRequest, schedules: "QuerySet[PeriodicTask]") -> None:
        count, over = editing.enable_schedules(schedules)
        messages.success(request, f"{count} enabled.")
        for schedule in over:
            messages.warning(request, f"“{schedule.name}”: {outlook_of(schedule).fired_already}")

    @admin.action(description="Disable", permissions=["change"])
    def disable_tasks(self, request: HttpRequest, schedules: "QuerySet[PeriodicTask]") -> None:
        messages.success(request, f"{editing.disable_schedules(schedules)} disabled.")

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: HttpRequest, schedules: "QuerySet[PeriodicTask]") -> None:
        count = len(services.request_run(schedules, by=cast(User, request.user)))
        messages.success(request, f"{count} job(s) will be published within a second.")

    @admin.action(description="Leave out the next run", permissions=["change"])
    def skip_next(self, request: HttpRequest, schedules: "QuerySet[PeriodicTask]") -> None:
        chosen = list(schedules)
        skipped = services.skip_next_of(chosen)
        for schedule in chosen:
            if schedule.pk in skipped:
                messages.success(
                    request,
                    f"“{schedule.name}”: {as_text(skipped[schedule.pk], zone_of(schedule.crontab))} is left out.",
                )
            else:
                messages.warning(request, f"“{schedule.name}” has no next run.")

    @admin.action(description="Pause for an hour", permissions=["change"])
    def pause_for_an_hour(self, request: HttpRequest, schedules: "QuerySet[PeriodicTask]") -> None:
        until = timezone.now() + timedelta(hours=1)
        messages.success(request, f"{services.pause_all(schedules, until=until)} paused until {as_text(until)}.")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, schedules: "QuerySet[PeriodicTask]") -> None:
        messages.success(request, f"{services.resume_all(schedules)} resumed.")


def in_its_zone(schedule: PeriodicTask, moment: datetime | None) -> str | None:
    """Thu 3 Dec, 09:00 Berlin."""
    if moment is None:
        return None
    return moment_in_words(moment, zone_of(schedule.crontab), timezone.now())


def expected_and_actual(schedule: PeriodicTask, *, runs_shown: int) -> dict[str, Any]:
    runs = list(ScheduleRun.objects.filter(schedule=schedule)[:runs_shown])
    results = results_of(runs)
    zone = zone_of(schedule.crontab)
    rows = [
        {
            "run": run, "at": as_text(run.scheduled_for, zone), "late": late(run),
            "result": results.get(str(run.job_id)), "url": change_page(run),
        }
        for run in runs
    ]  # fmt: skip
    outlook = outlook_of(schedule)
    paused_until, skip_at = outlook.definition.paused_until, outlook.definition.skip_at
    return {
        "rows": rows,
        "may_see_runs": runs_shown > 0,
        "all_runs": f"{reverse('admin:schedules_schedulerun_changelist')}?schedule={schedule.pk}",
        "moments": [as_text(moment, zone) for moment in outlook.next_runs(MOMENTS_SHOWN)],
        "paused_until": paused_until and as_text(paused_until, zone),
        "skip_at": skip_at and as_text(skip_at, zone),
        "outlook": outlook,
    }


def told(definition: Definition) -> dict[str, Any]:
    zone = definition.timezone
    moments = [as_text(moment, zone) for moment in upcoming(definition, count=MOMENTS_SHOWN)]
    return {"schedule": editing.in_words(definition), "moments": moments}


# What schedules share


@admin.register(CrontabSchedule)
class CrontabAdmin(CrontabScheduleAdmin):  # type: ignore[misc]
    form = CrontabForm
    change_form_template = "schedules/change_crontab.html"
    list_display = ["__str__", "translation"]
    fields = ["minute", "hour", "day_of_month", "month_of_year", "day_of_week", "timezone"]
    readonly_fields: list[str] = []

    class Media:
        js = ["schedules/preview.js"]

    @admin.display(description="In English")
    def translation(self, crontab: CrontabSchedule) -> str:
        """Of fields that cannot be read there is none; the libraries say so in many ways."""
        try:
            return str(crontab.human_readable)
        except Exception:
            return "—"

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        shown = {"preview_url": reverse("admin:schedules_preview"), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, shown)


@admin.register(IntervalSchedule)
class IntervalAdmin(IntervalScheduleAdmin):  # type: ignore[misc]
    form = IntervalForm


@admin.register(ClockedSchedule)
class ClockedAdmin(ClockedScheduleAdmin):  # type: ignore[misc]
    form = ClockedForm
