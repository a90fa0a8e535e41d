"""Schedules, their runs and jobs as JSON."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext
from django_celery_beat.models import PERIOD_CHOICES, PeriodicTask
from django_celery_results.models import TaskResult
from rest_framework import serializers
from rest_framework.reverse import reverse

from edges.unknown_fields import StrictModelSerializer, StrictSerializer
from schedules.checks import BLANK, CRONTAB_FIELDS, problems, problems_of_change
from schedules.definitions import Definition
from schedules.editing import in_words
from schedules.fields import MomentField, SecondsField, TextField, WholeNumberField, YesNoField
from schedules.models import Policy, ScheduleRun
from schedules.outlook import outlook_of


class WholeSerializer(StrictSerializer):
    """A part that is given as a whole, also where the rest is changed in parts."""

    def to_internal_value(self, data: Any) -> Any:
        if self.parent is None or not getattr(self.root, "partial", False):
            return super().to_internal_value(data)
        whole = type(self)(data=data)
        whole.is_valid(raise_exception=True)
        return whole.validated_data


class IntervalSerializer(WholeSerializer):
    every = WholeNumberField(max_value=2**31 - 1)
    period = serializers.ChoiceField(choices=[name for name, _ in PERIOD_CHOICES])


class CrontabSerializer(WholeSerializer):
    """As in Celery; a field that is left out is `*`."""

    minute = TextField(required=False, max_length=240, default="*")
    hour = TextField(required=False, max_length=96, default="*")
    day_of_month = TextField(required=False, max_length=124, default="*")
    month_of_year = TextField(required=False, max_length=64, default="*")
    day_of_week = TextField(required=False, max_length=64, default="*")
    timezone = TextField(
        required=False, max_length=63, default=lambda: settings.TIME_ZONE, help_text="IANA name, such as Europe/Berlin."
    )


KINDS: dict[str, dict[str, Any]] = {
    "interval": {"every": None, "period": None},
    "crontab": dict.fromkeys((*CRONTAB_FIELDS, "timezone")),
    "clocked_at": {"clocked_time": None},
}
"""The kinds as the API names them, and what they are in a Definition."""

API_NAMES = {"task": "job", "clocked": "clocked_at"}


class ScheduleSerializer(StrictModelSerializer[PeriodicTask]):
    name = TextField(max_length=200)
    job = TextField(max_length=200)
    description = TextField(max_length=10_000, multiline=True, required=False, allow_blank=True)
    schedule = serializers.CharField(read_only=True, help_text="In words.")
    problem = serializers.CharField(read_only=True, help_text="Why it cannot run; empty if it can.")
    enabled = YesNoField(required=False)
    last_run_at = serializers.DateTimeField(read_only=True, allow_null=True)
    next_run_at = serializers.DateTimeField(read_only=True, allow_null=True)
    total_run_count = serializers.IntegerField(read_only=True)
    interval = IntervalSerializer(required=False, allow_null=True)
    crontab = CrontabSerializer(required=False, allow_null=True)
    clocked_at = MomentField(required=False, allow_null=True, help_text="It runs once, at this moment.")
    one_off = YesNoField(required=False, help_text="It runs once; always true with clocked_at.")
    start_time = MomentField(required=False, allow_null=True, help_text="It does not run before.")
    expires = MomentField(required=False, allow_null=True, help_text="It does not run after.")
    expire_seconds = WholeNumberField(
        required=False, allow_null=True, min_value=1, max_value=2**31 - 1,
        help_text="A run that no worker has taken for so long is left out.",
    )  # fmt: skip
    args = serializers.ListField(child=serializers.JSONField(allow_null=True), required=False)
    kwargs = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    headers = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    queue = TextField(required=False, allow_null=True, max_length=200)
    priority = WholeNumberField(required=False, allow_null=True, min_value=0, max_value=255)
    catch_up = serializers.ChoiceField(choices=Policy.CatchUp.choices, required=False)
    catch_up_window = SecondsField(required=False, help_text="Seconds.")
    overlap = serializers.ChoiceField(choices=Policy.Overlap.choices, required=False)
    runs_again = YesNoField(required=False, help_text="When its worker has died.")
    paused_until = MomentField(required=False, allow_null=True, help_text="Ticks until then are left out.")
    skip_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="The tick that is left out.")

    class Meta:
        model = PeriodicTask
        fields = [
            "id", "name", "job", "description", "schedule", "problem", "enabled", "last_run_at", "next_run_at",
            "total_run_count", "interval", "crontab", "clocked_at", "one_off", "start_time", "expires",
            "expire_seconds", "args", "kwargs", "headers", "queue", "priority", "catch_up", "catch_up_window",
            "overlap", "runs_again", "paused_until", "skip_at",
        ]  # fmt: skip

    # What it shows

    def get_initial(self) -> Any:
        """What the browsable API offers for a new schedule."""
        if hasattr(self, "initial_data"):
            return super().get_initial()
        return {"name": "", "job": "", "crontab": {"minute": "0", "hour": "3"}, "enabled": True}

    def to_representation(self, instance: PeriodicTask) -> dict[str, Any]:
        outlook = outlook_of(instance)
        says = outlook.definition
        same = (
            "name", "enabled", "last_run_at", "total_run_count", "one_off", "start_time", "expires", "expire_seconds",
            "queue", "priority", "catch_up", "overlap", "runs_again", "paused_until", "skip_at",
        )  # fmt: skip
        shown = {
            **{name: getattr(says, name) for name in same},
            "id": instance.pk,
            "job": says.task,
            "description": instance.description,
            "schedule": str(instance.solar) if says.is_solar else in_words(says),
            "problem": outlook.problem,
            "next_run_at": outlook.next_run_at,
            "interval": {"every": says.every, "period": says.period} if says.every is not None else None,
            "crontab": self._crontab(says),
            "clocked_at": says.clocked_time,
            "args": as_json(says.args, []),
            "kwargs": as_json(says.kwargs, {}),
            "headers": as_json(says.headers, {}),
            "catch_up_window": int(says.catch_up_window.total_seconds()),
        }
        return {name: shown[name] for name in ScheduleSerializer.Meta.fields}

    def _crontab(self, says: Definition) -> dict[str, Any] | None:
        if says.minute is None:
            return None
        return {name: getattr(says, name) for name in (*CRONTAB_FIELDS, "timezone")}

    # What it takes

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """With the definitions before and after, as `before` and `after`."""
        before = outlook_of(self.instance).definition if self.instance else BLANK
        after = wanted(before, attrs)
        found: dict[str, Any] = {}
        for field, text in (problems_of_change(before, after) if self.instance else problems(after)).items():
            name, _, part = field.partition(".")
            name = API_NAMES.get(name, name)
            found[name] = {**found.get(name, {}), part: text} if part else text
        if self.instance and attrs.get("enabled") and self._has_fired(before, after):
            found["enabled"] = outlook_of(self.instance).fired_already
        if after.name != before.name and PeriodicTask.objects.filter(name=after.name).exists():
            found["name"] = gettext("Another schedule has this name.")
        if found:
            raise serializers.ValidationError({name or "non_field_errors": text for name, text in found.items()})
        return {"before": before, "after": after, **{k: attrs[k] for k in ("description", "count") if k in attrs}}

    def _has_fired(self, before: Definition, after: Definition) -> bool:
        return outlook_of(self.instance).has_fired and before.timing == after.timing


class PreviewSerializer(ScheduleSerializer):
    """A schedule that is not made: when would it run?"""

    name = TextField(max_length=200, required=False)
    job = TextField(max_length=200, required=False)
    count = WholeNumberField(min_value=1, max_value=50, default=5, write_only=True)

    class Meta(ScheduleSerializer.Meta):
        fields = [*ScheduleSerializer.Meta.fields, "count"]


class MomentsSerializer(StrictSerializer):
    results = serializers.ListField(child=serializers.DateTimeField())


class PreviewedSerializer(MomentsSerializer):
    schedule = serializers.CharField(help_text="In words.")


class PauseSerializer(StrictSerializer):
    until = MomentField()


def wanted(before: Definition, attrs: Mapping[str, Any]) -> Definition:
    """The definition with what was given. A kind that is given takes the place of the one before."""
    same = {
        "name", "enabled", "one_off", "start_time", "expires", "expire_seconds", "queue", "priority", "catch_up",
        "catch_up_window", "overlap", "runs_again", "paused_until",
    }  # fmt: skip
    changes: dict[str, Any] = {name: value for name, value in attrs.items() if name in same}
    changes |= {name: json.dumps(attrs[name]) for name in ("args", "kwargs", "headers") if name in attrs}
    if "job" in attrs:
        changes["task"] = attrs["job"]
    given = [name for name in KINDS if attrs.get(name) is not None]
    for name, nothing in KINDS.items():
        if given or name in attrs:
            changes |= nothing
    for name in given:
        changes |= {"clocked_time": attrs[name]} if name == "clocked_at" else attrs[name]
    if given:
        changes["is_solar"] = False
    after = replace(before, **changes)
    return replace(after, one_off=True) if after.clocked_time else after


def as_json(text: str | None, empty: Any) -> Any:
    """What stands in a column of text, which may be anything."""
    try:
        return json.loads(text) if text else empty
    except (ValueError, RecursionError):
        return text


class RunSerializer(StrictModelSerializer[ScheduleRun]):
    requested_by = serializers.CharField(source="requested_by.username", read_only=True, allow_null=True, default=None)
    late_seconds = serializers.SerializerMethodField(help_text="From its moment to its start.")
    job = serializers.SerializerMethodField(help_text="Where its result is.")

    class Meta:
        model = ScheduleRun
        fields = [
            "id", "kind", "scheduled_for", "status", "reason", "ticks", "since", "requested_by", "published_at",
            "started_at", "finished_at", "late_seconds", "starts", "publishes", "worker", "job_id", "job",
        ]  # fmt: skip
        read_only_fields = fields

    def get_late_seconds(self, run: ScheduleRun) -> float | None:
        return (run.started_at - run.scheduled_for).total_seconds() if run.started_at else None

    def get_job(self, run: ScheduleRun) -> str | None:
        if str(run.job_id) not in self.context["jobs"]:
            return None
        return reverse("job-detail", [run.job_id], request=self.context.get("request"))


def jobs_with_results(runs: "list[ScheduleRun] | QuerySet[ScheduleRun]") -> set[str]:
    """Ids of the jobs of these runs that have a result; one query."""
    ids = [str(run.job_id) for run in runs]
    return set(TaskResult.objects.filter(task_id__in=ids).values_list("task_id", flat=True)) if ids else set()


class JobSerializer(StrictModelSerializer[TaskResult]):
    id = serializers.CharField(source="task_id", read_only=True)
    job = serializers.CharField(source="task_name", read_only=True, allow_null=True)
    schedule = serializers.CharField(source="periodic_task_name", read_only=True, allow_null=True)
    result = serializers.SerializerMethodField(help_text="What the job returned, or the error that ended it.")

    class Meta:
        model = TaskResult
        fields = ["id", "job", "schedule", "status", "result", "worker", "date_created", "date_done"]
        read_only_fields = fields

    def get_result(self, job: TaskResult) -> Any:
        try:
            return json.loads(job.result or "null")
        except ValueError:
            return job.result
