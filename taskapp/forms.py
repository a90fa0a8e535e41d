"""The forms of tasks and tags in the admin.

The type: ignore comments stand where Django's stubs know a parameter that Django does not have.
"""

from typing import Any

from django import forms

from taskapp.errors import DueDateOutOfRangeError
from taskapp.models import Tag, Task
from taskapp.serializers import MOST_TAGS
from taskapp.services import with_due_date_settled


class TaskForm(forms.ModelForm):  # type: ignore[type-arg]
    """Tags are names here as in the API, so that nobody can attach another owner's."""

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
        try:
            with_due_date_settled(self.instance, self.changes())
        except DueDateOutOfRangeError as error:
            self.add_error("due_at", str(error))

    def changes(self) -> dict[str, Any]:
        """What the services are to write: the changed fields alone, or all of a new task's."""
        names = self.changed_data if self.instance.pk else self.cleaned_data
        fields = {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}
        return {"tags" if name == "tag_names" else name: value for name, value in fields.items()}


class TagForm(forms.ModelForm):  # type: ignore[type-arg]
    """A tag stays with its owner, whose tasks are filed under it."""

    class Meta:
        model = Tag
        fields = ["owner", "name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].disabled = self.instance.pk is not None
