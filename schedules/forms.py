"""Forms of the admin. They refuse what the API refuses (checks.py), in the same words, at the right field."""

from dataclasses import replace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.timezone import get_default_timezone_name
from django_celery_beat.admin import PeriodicTaskForm
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
)

from edges.wall_times import WallTimeField, WallTimesForm
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

MOMENTS = ("start_time", "expires")
IN_WHICH_ZONE = "In the zone of the crontab; without one, in the service's."


def zone_of(crontab: CrontabSchedule | None) -> str:
    """Where the wall times of a schedule are meant: in the zone of its crontab, else in the service's."""
    if crontab is None:
        return get_default_timezone_name()
    return getattr(crontab.timezone, "name", None) or str(crontab.timezone)


class ScheduleForm(WallTimesForm, PeriodicTaskForm):  # type: ignore[misc]
    """Start and expiry are shown and read in the zone of the crontab that stands in the same form."""

    start_time = WallTimeField(
        label="Start", zone_select="crontab", help_text=f"It does not run before. {IN_WHICH_ZONE}"
    )
    expires = WallTimeField(label="Expires", zone_select="crontab", help_text=f"It does not run after. {IN_WHICH_ZONE}")

    class Meta:
        model = PeriodicTask
        exclude = ["solar"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored = {name: getattr(self.instance, name) for name in MOMENTS}
        self.zone = zone_of(self.instance.crontab)
        self.show_in(self.zone, self.stored, default_zone=get_default_timezone_name())

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
        zone = zone_of(data.get("crontab"))
        self.moved = self.read_in(zone, self.stored, was=self.zone)
        return data

    def validate_unique(self) -> None:
        """The name was looked at, and the kinds are looked at below."""

    def _post_clean(self) -> None:
        super()._post_clean()
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
        names = {"task" if name == "regtask" else name for name in self.changed_data} - set(MOMENTS) | self.moved
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


class ClockedForm(WallTimesForm, forms.ModelForm):  # type: ignore[type-arg]
    clocked_time = WallTimeField(label="Moment", required=True, help_text="In the service's time zone.")

    class Meta:
        model = ClockedSchedule
        fields = ["clocked_time"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored = {"clocked_time": self.instance.clocked_time}
        self.show_in(get_default_timezone_name(), self.stored)

    def clean(self) -> Any:
        super().clean()
        zone = get_default_timezone_name()
        self.read_in(zone, self.stored, was=zone)
        refuse_too_early(self, "clocked_time")


class PolicyForm(WallTimesForm, forms.ModelForm):  # type: ignore[type-arg]
    """Its moments are shown in the zone that the schedule has, and read in the one that it gets (PolicyFormSet)."""

    paused_until = WallTimeField(
        label="Paused until", zone_select="crontab", help_text=f"Ticks until then are left out. {IN_WHICH_ZONE}"
    )
    skip_at = WallTimeField(
        label="Leave out the tick of", zone_select="crontab",
        help_text="One moment of the schedule; the others stand. Likewise.",
    )  # fmt: skip

    class Meta:
        model = Policy
        fields = ["catch_up", "window", "overlap", "runs_again", "paused_until", "skip_at"]

    def __init__(self, *args: Any, zone: str, was: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone, self.was, self.moved = zone, was, set[str]()
        self.stored = {name: getattr(self.instance, name) for name in ("paused_until", "skip_at")}
        self.show_in(was, self.stored, default_zone=get_default_timezone_name())

    def clean(self) -> Any:
        super().clean()
        self.moved = self.read_in(self.zone, self.stored, was=self.was)
        refuse_too_early(self, "paused_until")

    def has_changed(self) -> bool:
        """Also where the zone alone has."""
        return super().has_changed() or (self.zone != self.was and any(self.stored.values()))

    def save(self, commit: bool = True) -> Any:
        """What was changed; the rest may have been changed by somebody else meanwhile."""
        if not commit or self.instance._state.adding:
            return super().save(commit)
        changed = {name for name in self.changed_data if name in self.fields} - self.stored.keys() | self.moved
        self.instance.save(update_fields=sorted(changed))
        return self.instance


class PolicyFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """Tells the form in which zone its moments are meant. `instance` has what the schedule's own form says."""

    instance: PeriodicTask

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        stored = PeriodicTask.objects.select_related("crontab").filter(pk=self.instance.pk).first()
        was = zone_of(stored.crontab if stored else None)
        return {**super().get_form_kwargs(index), "zone": zone_of(self.instance.crontab), "was": was}


def refuse_too_early(form: forms.BaseForm, name: str) -> None:
    moment = form.cleaned_data.get(name)
    if moment and moment < EARLIEST:
        form.add_error(name, f"Give a moment after {EARLIEST:%Y}.")


class PreviewForm(WallTimesForm, forms.Form):
    """What stands in the form of a schedule, or of a crontab, as far as its moments depend on it."""

    interval = forms.ModelChoiceField(IntervalSchedule.objects.all(), required=False)
    crontab = forms.ModelChoiceField(CrontabSchedule.objects.all(), required=False)
    clocked = forms.ModelChoiceField(ClockedSchedule.objects.all(), required=False)
    one_off = forms.BooleanField(required=False)
    start_time = WallTimeField()
    expires = WallTimeField()

    def clean(self) -> Any:
        zone = zone_of(self.cleaned_data.get("crontab"))
        self.read_in(zone, dict.fromkeys(MOMENTS), was=zone)

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
