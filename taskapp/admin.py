"""Tasks and tags in the admin. What is changed here is changed by the services, as everywhere."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator

from taskapp import services
from taskapp.dates import due_in_words
from taskapp.forms import TagForm, TaskForm
from taskapp.models import Tag, Task, TaskQuerySet
from work.large_tables import LATEST, LargeTableAdmin, latest, users_named
from work.paging import UncountedPaginator


class DeletedFilter(admin.SimpleListFilter):
    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Deleted"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        present, *others = super().choices(changelist)
        return [{**present, "display": "Present"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        if self.value() == "all":
            return queryset
        return queryset.exclude(deleted_at=None) if self.value() == "yes" else queryset.filter(deleted_at=None)


@admin.register(Task)
class TaskAdmin(LargeTableAdmin):
    form = TaskForm
    list_display = ["short_title", "owner", "status", "priority", "due", "deleted_at"]
    list_filter = [DeletedFilter, "status", "priority", ("due_at", admin.EmptyFieldListFilter)]
    search_fields = ["title", "owner__username"]
    search_help_text = f"An owner's name; or a title, among the latest {LATEST:,} tasks"
    list_select_related = ["owner"]
    autocomplete_fields = ["owner"]
    fields = [
        "owner", "title", "description", "status", "priority", "tag_names", "due_at", "timezone",
        "all_day", "version", "created_at", "updated_at", "completed_at", "deleted_at",
    ]  # fmt: skip
    readonly_fields = ["version", "created_at", "updated_at", "completed_at", "deleted_at"]
    actions = ["complete", "reopen", "delete_softly", "restore"]

    def get_fields(self, request: HttpRequest, obj: Task | None = None) -> Any:
        """Who may only look sees the due date in the task's zone, too."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fields
        return ["due" if field == "due_at" else field for field in self.fields if field != "all_day"]

    @admin.display(description="Title", ordering="title")
    def short_title(self, task: Task) -> str:
        return Truncator(task.title).chars(80)

    @admin.display(description="Due", ordering="due_at")
    def due(self, task: Task) -> str | None:
        """In the task's own zone."""
        if task.due_at is None:
            return None
        words = due_in_words(task.due_local, task.due_at, task.timezone, timezone.now(), all_day=task.all_day)
        return format_html('<span title="{}, {}">{}</span>', task.timezone, f"{task.due_at:%Y-%m-%d %H:%M} UTC", words)

    def found_by(self, word: str) -> list[QuerySet[Task]]:
        return [Task.objects.filter(owner__in=users_named(word)), latest(Task).filter(title__icontains=word)]

    def save_model(self, request: HttpRequest, obj: Task, form: TaskForm, change: bool) -> None:
        """All-day due dates are normalised, and only what was changed is written."""
        if change:
            services.update_task(obj, **form.changes())
        else:
            fields = form.changes()
            obj.pk = services.create_task(fields.pop("owner"), **fields).pk

    def delete_model(self, request: HttpRequest, obj: Task) -> None:
        services.delete_task(obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What the confirmation shows: the task alone. Nothing goes with it, since it leaves a tombstone."""
        return [str(task) for task in objs], {"tasks": len(objs)}, set(), []

    def get_actions(self, request: HttpRequest) -> Any:
        """Deleting many at once is our action, which leaves tombstones; Django's erases."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    @admin.action(description="Mark as done", permissions=["change"])
    def complete(self, request: HttpRequest, tasks: TaskQuerySet) -> None:
        self._say(request, services.complete_tasks(tasks), "done")

    @admin.action(description="Re-open", permissions=["change"])
    def reopen(self, request: HttpRequest, tasks: TaskQuerySet) -> None:
        self._say(request, services.reopen_tasks(tasks), "re-opened")

    @admin.action(description="Delete (can be restored)", permissions=["delete"])
    def delete_softly(self, request: HttpRequest, tasks: TaskQuerySet) -> None:
        self._say(request, services.delete_tasks(tasks), "deleted")

    @admin.action(description="Restore", permissions=["change"])
    def restore(self, request: HttpRequest, tasks: TaskQuerySet) -> None:
        self._say(request, services.restore_tasks(tasks), "restored")

    def _say(self, request: HttpRequest, count: int, done: str) -> None:
        messages.success(request, f"{count} task{'' if count == 1 else 's'} {done}.")


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):
    form = TagForm
    list_display = ["name", "owner"]
    search_fields = ["name", "owner__username"]
    list_select_related = ["owner"]
    autocomplete_fields = ["owner"]
    show_full_result_count = False
    paginator = UncountedPaginator
    list_per_page = 50

    def save_model(self, request: HttpRequest, obj: Tag, form: Any, change: bool) -> None:
        if change:
            services.rename_tag(obj, name=obj.name)
        else:
            super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Tag) -> None:
        services.delete_tags(Tag.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Tag]) -> None:
        services.delete_tags(queryset)
