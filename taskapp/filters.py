"""What the lists of tasks can be filtered by."""

from django_filters import rest_framework as filters

from taskapp.models import Task, TaskQuerySet


class TaskFilter(filters.FilterSet):
    status = filters.MultipleChoiceFilter(choices=Task.Status.choices)
    priority = filters.MultipleChoiceFilter(choices=Task.Priority.choices)
    tag = filters.CharFilter(field_name="tags__name", lookup_expr="iexact", max_length=50, help_text="A tag's name.")
    due_before = filters.IsoDateTimeFilter(field_name="due_at", lookup_expr="lt")
    due_after = filters.IsoDateTimeFilter(field_name="due_at", lookup_expr="gte")
    deleted = filters.BooleanFilter(method="show_deleted", help_text="true: the deleted tasks, which can be restored.")

    class Meta:
        model = Task
        fields = ["status", "priority", "tag", "due_before", "due_after", "deleted"]

    def show_deleted(self, tasks: TaskQuerySet, name: str, value: bool) -> TaskQuerySet:
        return tasks.deleted() if value else tasks.present()
