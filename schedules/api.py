"""Schedules, their runs and jobs over HTTP, for staff."""

from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django_celery_beat.models import PeriodicTask, PeriodicTasks
from django_celery_results.models import TaskResult
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from edges.permissions import AsInTheAdmin
from edges.unknown_fields import EmptySerializer, refuse_body, refuse_query
from schedules import services
from schedules.editing import change_schedule, create_schedule, in_words
from schedules.fields import MomentField
from schedules.models import RunKind, RunStatus, ScheduleRun
from schedules.outlook import outlook_of, upcoming, with_outlooks
from schedules.serializers import (
    JobSerializer,
    MomentsSerializer,
    PauseSerializer,
    PreviewedSerializer,
    PreviewSerializer,
    RunSerializer,
    ScheduleSerializer,
    jobs_with_results,
)

KINDS = ["interval", "crontab", "solar", "clocked"]
MOST_MOMENTS = 50

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER,
    description="Any text of at most 255 printable ASCII characters. A repeated request for the same schedule with "
    "the same key finds the run that the first one made.",
)  # fmt: skip
COUNT = OpenApiParameter(
    "count", {"type": "integer", "minimum": 1, "maximum": MOST_MOMENTS, "default": 5}, OpenApiParameter.QUERY
)


class NothingToSkip(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "not_in_that_state"
    default_detail = gettext_lazy("It has no next run.")


class ScheduleViewSet(viewsets.ModelViewSet[PeriodicTask]):
    """When jobs run."""

    queryset = PeriodicTask.objects.select_related("solar")
    serializer_class = ScheduleSerializer
    permission_classes = [AsInTheAdmin]
    verbs = {"preview": ["change", "add"]}
    http_method_names = ["get", "head", "options", "post", "patch", "delete"]
    search_fields = ["name", "task"]
    ordering_fields = ["id", "name", "last_run_at"]
    ordering = ["name"]
    lookup_value_regex = "[0-9]+"

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        return None if page is None else with_outlooks(list(page))

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = serializer.validated_data
        try:
            made = create_schedule(fields["after"], description=fields.get("description", ""))
        except IntegrityError as error:
            raise name_taken() from error
        response = self._answer(made.pk)
        response.status_code = status.HTTP_201_CREATED
        response["Location"] = self.reverse_action("detail", [made.pk])
        return response

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = self.get_object()
        try:
            with transaction.atomic():
                # Two people at once: the second one's values are checked against what the first has written.
                locked = PeriodicTask.objects.select_for_update(no_key=True)
                schedule = get_object_or_404(locked, pk=found.pk)
                serializer = self.get_serializer(schedule, data=request.data, partial=True)
                serializer.is_valid(raise_exception=True)
                fields = serializer.validated_data
                more = {name: fields[name] for name in ("description",) if name in fields}
                change_schedule(schedule, fields["before"], fields["after"], **more)
        except IntegrityError as error:
            raise name_taken() from error
        return self._answer(found.pk)

    def perform_destroy(self, instance: PeriodicTask) -> None:
        PeriodicTask.objects.filter(pk=instance.pk).delete()
        PeriodicTasks.update_changed()

    @extend_schema(
        request=None,
        parameters=[IDEMPOTENCY_KEY],
        responses={202: OpenApiResponse(RunSerializer, "Beat publishes it within a second.")},
    )
    @action(detail=True, methods=["post"], serializer_class=EmptySerializer)
    def run(self, request: Request, pk: str) -> Response:
        """Run the job once now, besides its schedule."""
        schedule = self.get_object()
        refuse_body(request)
        key = request.headers.get("Idempotency-Key")
        if key is not None and not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
            raise ValidationError({"Idempotency-Key": gettext("This must be 1 to 255 printable ASCII characters.")})
        (run,) = services.request_run([schedule], by=cast(User, request.user), key=key)
        context = {"jobs": jobs_with_results([run]), "request": request}
        return Response(RunSerializer(run, context=context).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=PauseSerializer, responses=ScheduleSerializer)
    @action(detail=True, methods=["post"], serializer_class=PauseSerializer)
    def pause(self, request: Request, pk: str) -> Response:
        """Leave out the ticks until then."""
        schedule = self.get_object()
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        until = serializer.validated_data["until"]
        if until <= timezone.now():
            raise ValidationError({"until": gettext("This must lie in the future.")})
        services.pause(schedule, until=until)
        return self._answer(schedule.pk)

    @extend_schema(request=None, responses=ScheduleSerializer)
    @action(detail=True, methods=["post"], serializer_class=EmptySerializer)
    def resume(self, request: Request, pk: str) -> Response:
        """End a pause."""
        schedule = self.get_object()
        refuse_body(request)
        services.resume(schedule)
        return self._answer(schedule.pk)

    @extend_schema(request=None, responses={200: ScheduleSerializer, 409: None})
    @action(detail=True, methods=["post"], url_path="skip-next", serializer_class=EmptySerializer)
    def skip_next(self, request: Request, pk: str) -> Response:
        """Leave out the next tick. Said twice before that tick, it leaves out the same one."""
        schedule = self.get_object()
        refuse_body(request)
        if services.skip_next(schedule) is None:
            raise NothingToSkip
        return self._answer(schedule.pk)

    @extend_schema(parameters=[COUNT], responses=MomentsSerializer)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def next(self, request: Request, pk: str) -> Response:
        """The next moments at which it runs."""
        refuse_query(request, "count")
        text = request.query_params.get("count", "5")
        count = int(text) if text.isascii() and text.isdecimal() and len(text) <= 2 else 0
        if not 1 <= count <= MOST_MOMENTS:
            raise ValidationError(
                {"count": gettext("This must be a whole number from 1 to %(most)s.") % {"most": MOST_MOMENTS}}
            )
        return Response(moments_as_json(outlook_of(self.get_object()).next_runs(count)))

    @extend_schema(request=PreviewSerializer, responses=PreviewedSerializer, operation_id="schedules_preview")
    @action(detail=False, methods=["post"], serializer_class=PreviewSerializer, pagination_class=None)
    def preview(self, request: Request) -> Response:
        """When a schedule would run, without making it."""
        refuse_query(request)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        definition, count = serializer.validated_data["after"], serializer.validated_data["count"]
        return Response({**moments_as_json(upcoming(definition, count=count)), "schedule": in_words(definition)})

    def _answer(self, pk: int) -> Response:
        """The schedule as it is now."""
        schedule = get_object_or_404(self.get_queryset(), pk=pk)
        return Response(ScheduleSerializer(schedule, context=self.get_serializer_context()).data)


def name_taken() -> ValidationError:
    return ValidationError({"name": gettext("Another schedule has this name.")})


def moments_as_json(moments: list[datetime]) -> Any:
    return MomentsSerializer({"results": moments}).data


class MomentFormField(forms.Field):
    """The same instants as in a body."""

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return cast(datetime, MomentField().run_validation(value))
        except ValidationError as error:
            raise forms.ValidationError([str(each) for each in error.detail]) from error


@extend_schema_field({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "maxLength": 0}]})
class MomentFilter(filters.IsoDateTimeFilter):  # type: ignore[misc]
    field_class = MomentFormField


class RunFilter(filters.FilterSet):  # type: ignore[misc]
    status = filters.MultipleChoiceFilter(choices=RunStatus.choices)
    kind = filters.MultipleChoiceFilter(choices=RunKind.choices)

    class Meta:
        model = ScheduleRun
        fields = ["status", "kind"]

    @classmethod
    def get_filters(cls) -> Any:
        """With `from` and `to`, which are words of Python."""
        return {
            **super().get_filters(),
            "from": MomentFilter(field_name="scheduled_for", lookup_expr="gte"),
            "to": MomentFilter(field_name="scheduled_for", lookup_expr="lt"),
        }


class RunViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[ScheduleRun]):
    """What was expected of a schedule, and what came of it."""

    queryset = ScheduleRun.objects.none()
    serializer_class = RunSerializer
    permission_classes = [AsInTheAdmin]
    filterset_class = RunFilter
    ordering_fields = ["id", "scheduled_for"]
    ordering = ["-scheduled_for"]

    def get_queryset(self) -> QuerySet[ScheduleRun]:
        if getattr(self, "swagger_fake_view", False):
            return ScheduleRun.objects.none()
        schedule = get_object_or_404(PeriodicTask.objects.only("pk"), pk=self.kwargs["id"])
        return ScheduleRun.objects.filter(schedule=schedule).select_related("requested_by")

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        self.jobs = jobs_with_results(page or [])
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "jobs": getattr(self, "jobs", set())}


def text_filter(*, max_length: int, **options: Any) -> Any:
    """A CharFilter whose schema says what it takes."""
    schema = {"type": "string", "maxLength": max_length, "pattern": r"^[^\u0000]*$"}
    return extend_schema_field(schema)(filters.CharFilter(max_length=max_length, **options))


class JobFilter(filters.FilterSet):  # type: ignore[misc]
    job = text_filter(field_name="task_name", max_length=255)
    status = text_filter(max_length=50)

    class Meta:
        model = TaskResult
        fields = ["job", "status"]


class JobViewSet(viewsets.ReadOnlyModelViewSet[TaskResult]):
    """What jobs returned. Sweeps that found nothing to do keep no result."""

    queryset = TaskResult.objects.all()
    serializer_class = JobSerializer
    permission_classes = [AsInTheAdmin]
    filterset_class = JobFilter
    lookup_field = "task_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = r"[\w-]+"
    ordering_fields = ["date_done", "date_created", "id"]
    ordering = ["-date_done"]
