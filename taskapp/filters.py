"""What the lists of tasks can be filtered by."""

from datetime import datetime
from typing import Any, cast

from django import forms
from django.db.models import Exists, OuterRef
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError

from accounts.fields import InstantField
from taskapp.models import Tag, Task, TaskQuerySet


class InstantFormField(forms.Field):
    """The same instants as in a body, so one without an offset is refused here too."""

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return cast(datetime, InstantField().run_validation(value))
        except ValidationError as error:
            raise forms.ValidationError([str(each) for each in error.detail]) from error


@extend_schema_field({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "maxLength": 0}]})
class InstantFilter(filters.IsoDateTimeFilter):  # type: ignore[misc]
    field_class = InstantFormField


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": 2**63 - 1})
class IdFilter(filters.NumberFilter):  # type: ignore[misc]
    """A whole number, where NumberFilter takes 1.5 for 1."""

    field_class = forms.IntegerField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=2**63 - 1, **kwargs)


class TaskFilter(filters.FilterSet):  # type: ignore[misc]
    status = filters.MultipleChoiceFilter(choices=Task.Status.choices)
    priority = filters.MultipleChoiceFilter(choices=Task.Priority.choices)
    tag = extend_schema_field({"type": "string", "maxLength": 50, "pattern": r"^[^\u0000]*$"})(
        filters.CharFilter(method="tagged", max_length=50, help_text="A tag's name.")
    )
    due_before = InstantFilter(field_name="due_at", lookup_expr="lt")
    due_after = InstantFilter(field_name="due_at", lookup_expr="gte")
    deleted = filters.ChoiceFilter(
        choices=[("true", "Deleted"), ("false", "Present")],
        method="show_deleted",
        help_text="true: the deleted tasks, which can be restored for `TOMBSTONE_DAYS`.",
    )

    class Meta:
        model = Task
        fields = ["status", "priority", "tag", "due_before", "due_after", "deleted"]

    def tagged(self, tasks: TaskQuerySet, name: str, value: str) -> TaskQuerySet:
        return tasks.filter(Exists(Tag.objects.filter(tasks=OuterRef("pk"), name__iexact=value)))

    def show_deleted(self, tasks: TaskQuerySet, name: str, value: str) -> TaskQuerySet:
        return tasks.deleted() if value == "true" else tasks.present()
