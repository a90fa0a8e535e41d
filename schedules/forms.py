"""Forms of the admin. They refuse what the API refuses (checks.py), in the same words, at the right field."""

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django_celery_beat.admin import PeriodicTaskForm
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
)

from schedules.checks import (
    BLANK,
    CRONTAB_FIELDS,
    EARLIEST,
    KINDS,
    crontab_problems,
    interval_problems,
    problems,
    problems_of_change,
)
from schedules.definitions import Definition
from schedules.editing import definition_of
from schedules.models import Policy
from schedules.outlook import outlooks


class ScheduleForm(PeriodicTaskForm):  # type: ignore[misc]
    class Meta:
        model = PeriodicTask
        exclude = ["solar"]

    def clean_args(self) -> str:
        return self.cleaned_data["args"] or "[]"

    def clean_kwargs(self) -> str:
        return self.cleaned_data["kwargs"] or "{}"

    def clean_headers(self) -> str:
        return self.cleaned_data["headers"] or "{}"

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if PeriodicTask.objects.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError("Another schedule has this name.")
        return name

    def clean(self) -> dict[str, Any]:
        """In place of the original, which breaks on a name of a job that is too long."""
        data = forms.ModelForm.clean(self) or self.cleaned_data
        if data.get("regtask"):
            data["task"] = data["regtask"]
        if "task" in data and not data["task"]:
            self.add_error("task", "Choose a job, or name one.")
        if data.get("clocked"):
            data["one_off"] = True
        return data

    def validate_unique(self) -> None:
        """The name was looked at, and the kinds are looked at below."""

    def _post_clean(self) -> None:
        super()._post_clean()
        # A form shows times without their microseconds.
        for name in {"start_time", "expires"} - set(self.changed_data):
            setattr(self.instance, name, self.initial.get(name))
        found = outlooks([self.instance.pk]).get(self.instance.pk) if self.instance.pk else None
        if found is None:
            self._refuse(problems(definition_of(self.instance)))
            return
        after = definition_of(self.instance, like=found.definition)
        if any(getattr(self.instance, kind) for kind in KINDS):
            self.instance.solar = None
            after = definition_of(self.instance, like=found.definition)
        self._refuse(problems_of_change(found.definition, after))
        if after.enabled and found.has_fired and found.definition.timing == after.timing:
            self._refuse({"enabled": found.fired_already})

    def _refuse(self, found: dict[str, str]) -> None:
        for field, text in found.items():
            name, _, part = field.partition(".")
            if name not in self.errors:
                self.add_error(name if name in self.fields else None, f"{part}: {text}" if part else text)

    def columns(self) -> dict[str, Any]:
        """What was changed, as columns."""
        names = {"task" if name == "regtask" else name for name in self.changed_data}
        names |= {"one_off"} if self.instance.one_off != self.initial.get("one_off") else set()
        names |= {"solar"} if names & set(KINDS) else set()
        return {name: getattr(self.instance, name) for name in names}


class CrontabForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = CrontabSchedule
        fields = [*CRONTAB_FIELDS, "timezone"]

    def _get_validation_exclusions(self) -> set[str]:
        """Without django-celery-beat's own checks, which say less."""
        return {*super()._get_validation_exclusions(), *CRONTAB_FIELDS}  # type: ignore[misc]

    def clean(self) -> Any:
        data = super().clean() or self.cleaned_data
        if not self.errors:
            values = [str(data[name]) for name in (*CRONTAB_FIELDS, "timezone")]
            for name, text in crontab_problems(*values).items():
                self.add_error(name, text)
        return data


class IntervalForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = IntervalSchedule
        fields = ["every", "period"]

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), "every"}  # type: ignore[misc]

    def clean(self) -> Any:
        data = super().clean() or self.cleaned_data
        if not self.errors:
            for text in interval_problems(data["every"], data["period"]).values():
                self.add_error("every", text)
        return data


class ClockedForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = ClockedSchedule
        fields = ["clocked_time"]

    def clean_clocked_time(self) -> Any:
        return after_earliest(self.cleaned_data["clocked_time"])


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Policy
        fields = ["catch_up", "window", "overlap", "runs_again", "paused_until", "skip_at"]

    def clean_paused_until(self) -> Any:
        return after_earliest(self.cleaned_data["paused_until"])

    def save(self, commit: bool = True) -> Any:
        """What was changed; the rest may have been changed by somebody else meanwhile."""
        if not commit or self.instance._state.adding:
            return super().save(commit)
        self.instance.save(update_fields=[name for name in self.changed_data if name in self.fields])
        return self.instance


def after_earliest(moment: Any) -> Any:
    if moment and moment < EARLIEST:
        raise ValidationError(f"Give a moment after {EARLIEST:%Y}.")
    return moment


class PreviewForm(forms.Form):
    """What stands in the form of a schedule, or of a crontab, as far as its moments depend on it."""

    interval = forms.ModelChoiceField(IntervalSchedule.objects.all(), required=False)
    crontab = forms.ModelChoiceField(CrontabSchedule.objects.all(), required=False)
    clocked = forms.ModelChoiceField(ClockedSchedule.objects.all(), required=False)
    one_off = forms.BooleanField(required=False)
    start_time = forms.SplitDateTimeField(required=False, widget=AdminSplitDateTime)
    expires = forms.SplitDateTimeField(required=False, widget=AdminSplitDateTime)

    def definition(self) -> Definition:
        """Raises ValidationError."""
        if not self.is_valid():
            raise ValidationError([text for texts in self.errors.values() for text in texts])
        chosen = self.cleaned_data
        definition = definition_of(PeriodicTask(args="[]", kwargs="{}", headers="{}", task="", **chosen))
        return checked(definition)


def crontab_to_preview(data: QueryDict) -> Definition:
    """Raises ValidationError."""
    values: dict[str, Any] = {name: data.get(name, "").strip() for name in (*CRONTAB_FIELDS, "timezone")}
    return checked(replace(BLANK, **values))


def checked(definition: Definition) -> Definition:
    found = problems(definition)
    if found:
        raise ValidationError([f"{field.partition('.')[2]}: {text}".strip(": ") for field, text in found.items()])
    return definition
