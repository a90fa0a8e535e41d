"""The forms of tasks and tags in the admin.

The type: ignore comments stand where Django's stubs know a parameter that Django does not have.
"""

from datetime import datetime
from typing import Any, cast

from django import forms

from accounts.validators import timezone_names
from edges.wall_times import WallTime, WallTimeField, WallTimesForm, instant_of, say_zone
from taskapp.dates import day_meant, settled_local
from taskapp.errors import DueDateOutOfRangeError
from taskapp.models import Tag, Task, default_timezone
from taskapp.serializers import MOST_TAGS
from taskapp.services import with_due_date_settled

DUE = {"due_at", "timezone", "all_day"}
"""Fields that say together when a task is due."""


class TaskForm(WallTimesForm, forms.ModelForm):  # type: ignore[type-arg]
    """Tags are names here as in the API, so that nobody can attach another owner's.

    When the task is due is shown and read in its own zone. As long as none of these three fields is changed, none is
    written.
    """

    due_at = WallTimeField(
        label="Due", zone_select="timezone", all_day="all_day",
        help_text="In the time zone chosen below. For a whole day, the date alone.",
    )  # fmt: skip
    timezone = forms.ChoiceField(
        label="Time zone", initial=default_timezone, help_text="Another one keeps date and time, and moves the instant."
    )
    tag_names = forms.CharField(
        label="Tags",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line; made on first use.",
    )

    class Meta:
        model = Task
        fields = ["owner", "title", "description", "status", "priority", "due_at", "timezone", "all_day"]
        widgets = {"title": forms.TextInput(attrs={"class": "vLargeTextField"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = self.instance.timezone
        if "due_at" in self.fields:
            self.initial["due_at"] = due_as_shown(self.instance)
            say_zone(self.fields["due_at"], zone)
            cast(forms.ChoiceField, self.fields["timezone"]).choices = [
                (name, name) for name in sorted({*timezone_names(), zone})
            ]
        if self.instance.pk:
            self.fields["tag_names"].initial = "\n".join(self.instance.tags.values_list("name", flat=True))

    def clean_tag_names(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["tag_names"].splitlines()]
        names = [Tag._meta.get_field("name").clean(line, None) for line in lines if line]
        if len(names) > MOST_TAGS:
            raise forms.ValidationError(f"At most {MOST_TAGS} tags.")
        return names

    def clean(self) -> None:
        super().clean()
        self.due: dict[str, Any] = {}
        wall = self.cleaned_data.pop("due_at", None)
        if DUE & self.errors.keys():
            return
        try:
            if not self.instance.pk or DUE & set(self.changed_data):
                self.due = self._due(wall)
            settled = with_due_date_settled(self.instance, self.due)
        except (forms.ValidationError, DueDateOutOfRangeError) as error:
            self.add_error("due_at", error if isinstance(error, forms.ValidationError) else str(error))
        else:
            self.cleaned_data["due_at"] = settled.get("due_at", self.instance.due_at)

    def _due(self, wall: WallTime | None) -> dict[str, Any]:
        """For the services: what the three fields say together."""
        zone, all_day = self.cleaned_data["timezone"], self.cleaned_data["all_day"]
        said = {"timezone": zone, "all_day": all_day}
        if wall and all_day:
            return {**said, "due_on": wall.day}
        return {**said, "due_at": instant_of(wall, zone, stored=self.instance.due_at)}

    def changes(self) -> dict[str, Any]:
        """What the services are to write: the changed fields alone, or all of a new task's."""
        names = set(self.changed_data if self.instance.pk else self.cleaned_data) - DUE
        fields = {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}
        return {**{"tags" if name == "tag_names" else name: value for name, value in fields.items()}, **self.due}


def due_as_shown(task: Task) -> WallTime | None:
    """What was meant, to the second; of an all-day task the day."""
    if task.due_at is None:
        return None
    if task.all_day:
        return WallTime(day_meant(task.due_local, task.due_at, task.timezone), None)
    local = settled_local(task.due_local, task.due_at, task.timezone, all_day=False)
    wall = datetime.fromisoformat(local.removesuffix("Z"))
    return WallTime(wall.date(), wall.time().replace(microsecond=0))


class TagForm(forms.ModelForm):  # type: ignore[type-arg]
    """A tag stays with its owner, whose tasks are filed under it."""

    class Meta:
        model = Tag
        fields = ["owner", "name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].disabled = self.instance.pk is not None
