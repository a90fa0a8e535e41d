"""Schedules and jobs over HTTP, for staff. Schedules are edited in the admin."""

from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from schedules import services
from schedules.serializers import JobSerializer, ScheduleSerializer

KINDS = ["interval", "crontab", "solar", "clocked"]


class ScheduleViewSet(viewsets.ReadOnlyModelViewSet[PeriodicTask]):
    """When jobs run."""

    queryset = PeriodicTask.objects.select_related(*KINDS)
    serializer_class = ScheduleSerializer
    permission_classes = [IsAdminUser]
    search_fields = ["name", "task"]
    ordering_fields = ["id", "name", "last_run_at"]
    ordering = ["name"]
    lookup_value_regex = "[0-9]+"

    @extend_schema(
        request=None, responses={202: OpenApiResponse(ScheduleSerializer, "Beat publishes it within a second.")}
    )
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: str) -> Response:
        """Run the job once now, besides its schedule."""
        schedule = self.get_object()
        services.request_run([schedule], by=request.user)  # type: ignore[arg-type]
        return Response(self.get_serializer(schedule).data, status=status.HTTP_202_ACCEPTED)


class JobFilter(filters.FilterSet):  # type: ignore[misc]
    job = filters.CharFilter(field_name="task_name", max_length=255)
    status = filters.CharFilter(max_length=50)

    class Meta:
        model = TaskResult
        fields = ["job", "status"]


class JobViewSet(viewsets.ReadOnlyModelViewSet[TaskResult]):
    """What jobs returned. Sweeps that found nothing to do keep no result."""

    queryset = TaskResult.objects.all()
    serializer_class = JobSerializer
    permission_classes = [IsAdminUser]
    filterset_class = JobFilter
    lookup_field = "task_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = r"[\w-]+"
    ordering_fields = ["date_done", "date_created", "id"]
    ordering = ["-date_done"]
