"""Schedules and jobs as JSON."""

import json
from datetime import datetime
from typing import Any

from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult
from rest_framework import serializers

from schedules.services import next_run_at


class ScheduleSerializer(serializers.ModelSerializer[PeriodicTask]):
    job = serializers.CharField(source="task", read_only=True)
    schedule = serializers.SerializerMethodField(help_text="In words.")
    next_run_at = serializers.SerializerMethodField()

    class Meta:
        model = PeriodicTask
        fields = ["id", "name", "job", "schedule", "enabled", "last_run_at", "next_run_at", "total_run_count"]
        read_only_fields = fields

    def get_schedule(self, schedule: PeriodicTask) -> str:
        return str(schedule.scheduler)

    def get_next_run_at(self, schedule: PeriodicTask) -> datetime | None:
        return next_run_at(schedule)


class JobSerializer(serializers.ModelSerializer[TaskResult]):
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
