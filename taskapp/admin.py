"""Tasks and tags in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from taskapp import services
from taskapp.models import Tag, Task, TaskQuerySet
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
        tasks = Task.objects.all() & queryset
        return {"yes": tasks.deleted, "all": tasks.all}.get(self.value() or "", tasks.present)()


@admin.register(Task)
class TaskAdmin(admin.ModelAdmin):
    list_display = ["title", "owner", "status", "priority", "due_at", "timezone", "deleted_at"]
    list_filter = [DeletedFilter, "status", "priority", ("due_at", admin.EmptyFieldListFilter)]
    search_fields = ["title", "owner__username"]
    search_help_text = "Title or owner"
    list_select_related = ["owner"]
    autocomplete_fields = ["owner", "tags"]
    readonly_fields = ["version", "created_at", "updated_at", "completed_at", "deleted_at"]
    ordering = ["-id"]
    show_full_result_count = False
    paginator = UncountedPaginator
    list_per_page = 50
    actions = ["complete", "reopen", "delete_softly", "restore"]

    def save_model(self, request: HttpRequest, obj: Task, form: Any, change: bool) -> None:
        """Through the services, so that all-day due dates are normalised and only what was changed is written."""
        fields = {name: form.cleaned_data[name] for name in form.changed_data if name != "tags"}
        if change:
            services.update_task(obj, **fields)
        else:
            fields = {name: value for name, value in form.cleaned_data.items() if name not in {"tags", "owner"}}
            obj.pk = services.create_task(obj.owner, **fields).pk

    def delete_model(self, request: HttpRequest, obj: Task) -> None:
        services.delete_task(obj)

    def get_actions(self, request: HttpRequest) -> Any:
        """Deleting many at once is our action, which leaves tombstones; Django's erases."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    @admin.action(description="Mark as done", permissions=["change"])
    def complete(self, request: HttpRequest, tasks: TaskQuerySet) -> None:
        self._say(request, services.set_status(tasks, status=Task.Status.DONE), "done")

    @admin.action(description="Re-open", permissions=["change"])
    def reopen(self, request: HttpRequest, tasks: TaskQuerySet) -> None:
        self._say(request, services.set_status(tasks, status=Task.Status.TODO), "re-opened")

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
    list_display = ["name", "owner"]
    search_fields = ["name", "owner__username"]
    list_select_related = ["owner"]
    autocomplete_fields = ["owner"]
    show_full_result_count = False
    paginator = UncountedPaginator
