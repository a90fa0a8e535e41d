"""Tasks and tags over HTTP. Everything here is the owner's; somebody else's is 404."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from edges.unknown_fields import EmptySerializer, refuse_body
from taskapp import services
from taskapp.errors import KeyReusedError, TagExistsError, TaskChangedError
from taskapp.filters import TaskFilter
from taskapp.models import Tag, Task
from taskapp.plain_list import PlainList
from taskapp.serializers import TagSerializer, TaskSerializer
from work.failpoints import reached

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER,
    description="Any text of at most 255 printable ASCII characters. A repeated request with the same key and "
    "content finds the task that the first one made, for a week.",
)  # fmt: skip
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER,
    description="The ETag of the version that the change is meant for; 412 if the task has changed since.",
)  # fmt: skip


ETAG = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, response=[200, 201], description="The version of the task, for If-Match."
)


OF_A_PLAIN_LIST = {"page", "page_size", "format"}


class KeyReusedProblem(APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"


class PreconditionFailed(APIException):
    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "version_changed"


@contextmanager
def errors_as_http() -> Iterator[None]:
    try:
        yield
    except TaskChangedError as error:
        raise PreconditionFailed(str(error)) from error
    except KeyReusedError as error:
        raise KeyReusedProblem(str(error)) from error
    except Task.DoesNotExist as error:  # purged between being found and being locked
        raise NotFound from error


CHANGE = extend_schema(parameters=[IF_MATCH, ETAG], responses={200: TaskSerializer, 412: None})


@extend_schema_view(
    create=extend_schema(
        parameters=[IDEMPOTENCY_KEY, ETAG],
        responses={
            201: TaskSerializer,
            200: OpenApiResponse(TaskSerializer, "The task that this Idempotency-Key made before."),
            422: None,
        },
    ),
    retrieve=extend_schema(parameters=[ETAG]),
    update=CHANGE,
    partial_update=CHANGE,
    destroy=extend_schema(parameters=[IF_MATCH], responses={204: None, 412: None}),
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
        """Deleted tasks are met by those alone who ask for them: `restore/`, and the list with `?deleted=`."""
        tasks = Task.objects.owned_by(cast(User, self.request.user)).with_tag_names()
        if self.action == "restore":
            return tasks.present() | tasks.restorable()
        return tasks if self.action == "list" and self.request.query_params.get("deleted") else tasks.present()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        is_repeated = any(len(values) > 1 for _, values in request.query_params.lists())
        if is_repeated or request.query_params.keys() - OF_A_PLAIN_LIST:
            return super().list(request, *args, **kwargs)
        page = self.paginate_queryset(cast(Any, PlainList(cast(User, request.user))))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        task, is_new = self._create(request, serializer.validated_data)
        reached("task saved")
        response = self._answer(task)
        if is_new:
            response.status_code = status.HTTP_201_CREATED
            response["Location"] = self.reverse_action("detail", [task.pk])
        return response

    def _create(self, request: Request, fields: dict[str, Any]) -> tuple[Task, bool]:
        owner = cast(User, request.user)
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return services.create_task(owner, **fields), True
        with errors_as_http():
            return services.create_task_once(owner, key=valid_key(key), fingerprint=fingerprint(request.data), **fields)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._answer(self.get_object())

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        task = self.get_object()
        serializer = self.get_serializer(task, data=request.data, partial=kwargs.get("partial", False))
        serializer.is_valid(raise_exception=True)
        with errors_as_http():
            task = services.update_task(task, versions=wanted_versions(request, task), **serializer.validated_data)
        return self._answer(task)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        task = self.get_object()
        with errors_as_http():
            services.delete_task(task, versions=wanted_versions(request, task))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        request=None, parameters=[IF_MATCH, ETAG], responses={200: TaskSerializer, 412: None},
        description="Mark the task as done.",
    )  # fmt: skip
    @action(detail=True, methods=["post"], serializer_class=EmptySerializer)
    def complete(self, request: Request, pk: str) -> Response:
        task = self.get_object()
        refuse_body(request)
        with errors_as_http():
            return self._answer(services.complete_task(task, versions=wanted_versions(request, task)))

    @extend_schema(request=None, parameters=[ETAG], responses=TaskSerializer, description="Bring a deleted task back.")
    @action(detail=True, methods=["post"], serializer_class=EmptySerializer)
    def restore(self, request: Request, pk: str) -> Response:
        task = self.get_object()
        refuse_body(request)
        return self._answer(services.restore_task(task))

    def _answer(self, task: Task) -> Response:
        data = TaskSerializer(task, context=self.get_serializer_context()).data
        return Response(data, headers={"ETag": etag(task)})


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
        tag = cast(Tag, serializer.instance)
        tag.name = serializer.validated_data.get("name", tag.name)
        try:
            services.rename_tag(tag, name=tag.name)
        except TagExistsError as error:
            raise ValidationError({"name": str(error)}) from error

    def perform_destroy(self, instance: Tag) -> None:
        services.delete_tags(Tag.objects.filter(pk=instance.pk))


def etag(task: Task) -> str:
    return f'"{task.pk}-{task.version}"'


def wanted_versions(request: Request, task: Task) -> set[int] | None:
    """The versions that If-Match admits; None, which is any, without the header or with `*`.

    Whatever is no ETag of this task matches no version.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    matches = [re.fullmatch(rf'"{task.pk}-([0-9]{{1,10}})"', each.strip()) for each in header.split(",")]
    return {int(match[1]) for match in matches if match}


def valid_key(key: str) -> str:
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise ValidationError({"Idempotency-Key": gettext("This must be 1 to 255 printable ASCII characters.")})
    return key


def fingerprint(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
