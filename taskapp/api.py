"""Tasks and tags over HTTP. Everything here is the owner's; somebody else's is 404."""

import hashlib
import json
import re
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from taskapp import services
from taskapp.errors import KeyReused, TaskChanged
from taskapp.filters import TaskFilter
from taskapp.models import Tag, Task
from taskapp.serializers import TagSerializer, TaskSerializer

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER,
    description="Any text of at most 255 printable ASCII characters. A repeated request with the same key and "
    "content finds the task that the first one made, for a week.",
)  # fmt: skip
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER,
    description="The ETag of the version that the change is meant for; 412 if the task has changed since.",
)  # fmt: skip


class Conflict(APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"


class PreconditionFailed(APIException):
    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "version_changed"


@extend_schema_view(
    create=extend_schema(
        parameters=[IDEMPOTENCY_KEY],
        responses={
            201: TaskSerializer,
            200: OpenApiResponse(TaskSerializer, "The task that this Idempotency-Key made before."),
            422: OpenApiResponse(description="The Idempotency-Key was used with other content."),
        },
    ),
    update=extend_schema(parameters=[IF_MATCH]),
    partial_update=extend_schema(parameters=[IF_MATCH]),
)
class TaskViewSet(viewsets.ModelViewSet[Task]):
    """Your tasks. Deleting one leaves a tombstone that `restore/` brings back."""

    queryset = Task.objects.none()
    serializer_class = TaskSerializer
    filterset_class = TaskFilter
    search_fields = ["title", "description"]
    ordering_fields = ["id", "due_at", "created_at", "updated_at", "title"]
    ordering = ["-id"]
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[Task]:
        tasks = Task.objects.owned_by(self.request.user).prefetch_related("tags")  # type: ignore[arg-type]
        asked_for_deleted = self.action == "list" and "deleted" in self.request.query_params
        return tasks if asked_for_deleted or self.action == "restore" else tasks.present()

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        key, made = request.headers.get("Idempotency-Key"), True
        if key is None:
            task = services.create_task(request.user, **serializer.validated_data)
        else:
            task, made = self._create_once(request, valid_key(key), serializer.validated_data)
        return Response(
            self.get_serializer(task).data,
            status=status.HTTP_201_CREATED if made else status.HTTP_200_OK,
            headers={"Location": request.build_absolute_uri(f"{task.pk}/"), "ETag": etag(task)},
        )

    def _create_once(self, request: Request, key: str, fields: dict[str, Any]) -> tuple[Task, bool]:
        try:
            return services.create_task_once(request.user, key=key, fingerprint=fingerprint(request.data), **fields)
        except KeyReused as error:
            raise Conflict(str(error)) from error

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        task = self.get_object()
        return Response(self.get_serializer(task).data, headers={"ETag": etag(task)})

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        task = self.get_object()
        serializer = self.get_serializer(task, data=request.data, partial=kwargs.get("partial", False))
        serializer.is_valid(raise_exception=True)
        try:
            task = services.update_task(task, version=wanted_version(request), **serializer.validated_data)
        except TaskChanged as error:
            raise PreconditionFailed(str(error)) from error
        return Response(self.get_serializer(task).data, headers={"ETag": etag(task)})

    def perform_destroy(self, instance: Task) -> None:
        services.delete_task(instance)

    @extend_schema(request=None, responses=TaskSerializer, description="Mark the task as done.")
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        return Response(self.get_serializer(services.complete_task(self.get_object())).data)

    @extend_schema(request=None, responses=TaskSerializer, description="Bring a deleted task back.")
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        return Response(self.get_serializer(services.restore_task(self.get_object())).data)


class TagViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.UpdateModelMixin, mixins.DestroyModelMixin,
    viewsets.GenericViewSet[Tag],
):  # fmt: skip
    """Your tags. They are made by naming them on a task."""

    queryset = Tag.objects.none()
    serializer_class = TagSerializer
    search_fields = ["name"]
    ordering_fields = ["id", "name"]
    ordering = ["name"]
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[Tag]:
        return Tag.objects.filter(owner=self.request.user)  # type: ignore[misc]

    def perform_update(self, serializer: BaseSerializer[Tag]) -> None:
        name = serializer.validated_data.get("name", "")
        if self.get_queryset().filter(name__iexact=name).exclude(pk=self.kwargs["pk"]).exists():
            raise ValidationError({"name": "You have another tag of this name."})
        serializer.save()


def etag(task: Task) -> str:
    return f'"{task.pk}-{task.version}"'


def wanted_version(request: Request) -> int | None:
    """The version that If-Match names; None without the header or with `*`. A foreign ETag matches no version."""
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    match = re.fullmatch(r'"[0-9]{1,19}-([0-9]{1,10})"', header.strip())
    return int(match[1]) if match else -1


def valid_key(key: str) -> str:
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise ValidationError({"Idempotency-Key": "This must be 1 to 255 printable ASCII characters."})
    return key


def fingerprint(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
