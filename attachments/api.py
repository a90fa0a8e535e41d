"""Attachments over HTTP. Everything here is the owner's, somebody else's is 404; staff release what is quarantined."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils.translation import gettext, gettext_lazy
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotFound, PermissionDenied, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import BasePermission, IsAdminUser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from attachments import services
from attachments.downloads import download
from attachments.errors import (
    AttachmentError,
    FileTooLargeError,
    QuarantinedError,
    ReasonMissingError,
    StorageFailedError,
    TaskGoneError,
)
from attachments.files import StorageError
from attachments.kinds import served_as
from attachments.models import Attachment, Thumbnail
from attachments.ranges import UnsatisfiableError
from attachments.receiving import ReceivedFile
from attachments.serializers import AttachmentSerializer, ReleaseSerializer, UploadSerializer
from edges.permissions import may
from edges.unknown_fields import EmptySerializer, refuse_body, refuse_query
from taskapp.filters import IdFilter
from taskapp.models import Task
from work.failpoints import reached

SIZE = OpenApiParameter(
    "size", str, enum=Thumbnail.Size.values, description="`small`, at most 256 pixels, or `large`, 1024."
)
RANGE = OpenApiParameter(
    "Range", str, OpenApiParameter.HEADER, description="A part of the file, such as `bytes=0-1023`."
)


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "not_in_that_state"


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class RangeNotSatisfiable(APIException):
    status_code = status.HTTP_416_REQUESTED_RANGE_NOT_SATISFIABLE
    default_code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(gettext("The file has %(size)s bytes; nothing of it lies in that range.") % {"size": size})
        self.content_range = f"bytes */{size}"


class StorageUnavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "storage_unavailable"
    wait = 60
    """Seconds, for Retry-After."""


@contextmanager
def errors_as_http() -> Iterator[None]:
    try:
        yield
    except FileTooLargeError as error:
        raise TooLarge(str(error)) from error
    except TaskGoneError as error:
        raise NotFound from error
    except QuarantinedError as error:
        raise PermissionDenied(str(error), code="quarantined") from error
    except ReasonMissingError as error:
        raise ValidationError({"reason": str(error)}) from error
    except StorageFailedError as error:
        raise StorageUnavailable(str(error)) from error
    except AttachmentError as error:
        raise Conflict(str(error), code=code_of(error)) from error


def code_of(error: AttachmentError) -> str:
    """QuotaExceededError: quota_exceeded."""
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def may_change(user: User) -> bool:
    """An administrator of attachments, as the admin sees it."""
    return may(user, Attachment, ["change"])


class MayChange(BasePermission):
    message = gettext_lazy("You need the permission to change attachments.")

    def has_permission(self, request: Request, view: Any) -> bool:
        return may_change(cast(User, request.user))


class AnyRenderer(BaseRenderer):
    """For answers that are files, whatever the client accepts; a problem is JSON all the same."""

    media_type = "*/*"
    format = "file"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return json.dumps(data).encode()


class AttachmentFilter(filters.FilterSet):  # type: ignore[misc]
    task = IdFilter(field_name="task_id")
    state = filters.MultipleChoiceFilter(choices=Attachment.State.choices)

    class Meta:
        model = Attachment
        fields = ["task", "state"]


def shown(attachments: "QuerySet[Attachment]") -> "QuerySet[Attachment]":
    """With all that is said of each."""
    return attachments.select_related("scan", "thumbnailing").prefetch_related("thumbnails")


@extend_schema_view(destroy=extend_schema(responses={204: None, 403: None, 409: None}))
class AttachmentViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[Attachment]
):
    """Your files. Each is scanned before it can be fetched; poll `state` until it is `ready`, or says why it is not."""

    queryset = Attachment.objects.none()
    serializer_class = AttachmentSerializer
    filterset_class = AttachmentFilter
    ordering_fields = ["id", "created_at", "size"]
    ordering = ["-id"]
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> "QuerySet[Attachment]":
        """One's own; for staff who release, everybody's."""
        present = Attachment.objects.present()
        return shown(present if self.action == "release" else present.owned_by(cast(User, self.request.user)))

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if isinstance(exc, RangeNotSatisfiable):
            response["Content-Range"] = exc.content_range
        return response

    def perform_destroy(self, instance: Attachment) -> None:
        with errors_as_http():
            services.delete_attachment(instance, by=cast(User, self.request.user))

    @extend_schema(
        parameters=[RANGE],
        responses={
            (200, "*/*"): OpenApiResponse(OpenApiTypes.BINARY, "The file."),
            (206, "*/*"): OpenApiResponse(OpenApiTypes.BINARY, "The part of it that was asked for."),
            304: None, 403: None, 409: None, 416: None, 503: None,
        },
    )  # fmt: skip
    @action(detail=True, renderer_classes=[AnyRenderer])
    def content(self, request: Request, pk: str) -> HttpResponseBase:
        """Fetch the file: 409 until it is known to be clean, 403 while it is quarantined."""
        attachment = self._open_or_refuse()
        return handed_out(
            request, key=attachment.key, size=attachment.size, etag=f'"{attachment.sha256}"', name=attachment.name,
            content_type=served_as(attachment.content_type),
        )  # fmt: skip

    @extend_schema(
        parameters=[SIZE, RANGE],
        responses={
            (200, "image/webp"): OpenApiResponse(OpenApiTypes.BINARY, "The thumbnail."),
            (206, "image/webp"): OpenApiResponse(OpenApiTypes.BINARY, "The part of it that was asked for."),
            304: None, 403: None, 409: None, 416: None, 503: None,
        },
    )  # fmt: skip
    @action(detail=True, renderer_classes=[AnyRenderer])
    def thumbnail(self, request: Request, pk: str) -> HttpResponseBase:
        """Fetch a small picture of it, `image/webp`. 404 if there is none: `thumbnailing` says why."""
        refuse_query(request, "size")
        size = request.query_params.get("size") or Thumbnail.Size.SMALL
        if size not in Thumbnail.Size.values:
            raise ValidationError(
                {"size": gettext("Choose one of %(sizes)s.") % {"sizes": ", ".join(Thumbnail.Size.values)}}
            )
        attachment = self._open_or_refuse()
        thumbnail = get_object_or_404(Thumbnail, attachment=attachment, size=size)
        return handed_out(
            request, key=thumbnail.key, size=thumbnail.bytes, etag=f'"{attachment.sha256}-{size}"',
            name=f"{attachment.name}.{size}.webp", content_type="image/webp", is_inline=True,
        )  # fmt: skip

    @extend_schema(request=None, responses={200: AttachmentSerializer, 403: None, 409: None})
    @action(detail=True, methods=["post"], serializer_class=EmptySerializer)
    def rescan(self, request: Request, pk: str) -> Response:
        """Have it scanned again. Until that has ended it cannot be fetched."""
        user = cast(User, request.user)
        attachment = self.get_object()
        refuse_body(request)
        with errors_as_http():
            services.rescan_attachment(attachment, by=user, as_administrator=may_change(user))
        return self._answer(attachment)

    @extend_schema(request=ReleaseSerializer, responses={200: AttachmentSerializer, 409: None})
    @action(
        detail=True, methods=["post"], permission_classes=[IsAdminUser, MayChange], serializer_class=ReleaseSerializer
    )
    def release(self, request: Request, pk: str) -> Response:
        """For staff: let a quarantined file be fetched, whatever the scan has said. The reason is kept."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        attachment = self.get_object()
        with errors_as_http():
            services.release_attachment(attachment, by=cast(User, request.user), **serializer.validated_data)
        return self._answer(attachment)

    def _open_or_refuse(self) -> Attachment:
        attachment = self.get_object()
        if attachment.is_open:
            return attachment
        if attachment.is_quarantined:
            raise PermissionDenied(
                gettext("It is quarantined: %(reason)s.") % {"reason": attachment.reason}, code="quarantined"
            )
        if attachment.state == Attachment.State.FAILED:
            raise Conflict(
                gettext("Its scan has failed: %(reason)s. Ask for another.") % {"reason": attachment.reason},
                code="scan_failed",
            )
        raise Conflict(gettext("It has not been scanned yet."), code="not_scanned_yet")

    def _answer(self, attachment: Attachment) -> Response:
        stored = shown(Attachment.objects.all()).get(pk=attachment.pk)
        return Response(AttachmentSerializer(stored, context=self.get_serializer_context()).data)


class TaskAttachmentViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Attachment]):
    """The files of one of your tasks."""

    queryset = Attachment.objects.none()
    serializer_class = AttachmentSerializer
    filterset_class = AttachmentFilter
    parser_classes = [MultiPartParser]
    ordering_fields = ["id", "created_at", "size"]
    ordering = ["-id"]

    def get_queryset(self) -> "QuerySet[Attachment]":
        if getattr(self, "swagger_fake_view", False):
            return Attachment.objects.none()
        return shown(Attachment.objects.filter(task=self._task()).present())

    def get_serializer_class(self) -> Any:
        return UploadSerializer if self.action == "create" else AttachmentSerializer

    @extend_schema(request=UploadSerializer, responses={201: AttachmentSerializer, 409: None, 503: None})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Upload a file: `curl -F file=@photo.jpg …`. It is scanned within seconds; poll its `state`."""
        task = self._task()
        serializer = UploadSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        upload = cast(ReceivedFile, serializer.validated_data["file"])
        with errors_as_http():
            made = services.add_attachment(task, upload=upload, by=cast(User, request.user))
        reached("attachment saved")
        attachment = shown(Attachment.objects.all()).get(pk=made.pk)
        data = AttachmentSerializer(attachment, context=self.get_serializer_context()).data
        location = reverse("attachment-detail", args=[made.pk], request=request)
        return Response(data, status=status.HTTP_201_CREATED, headers={"Location": location})

    def _task(self) -> Task:
        own = Task.objects.owned_by(cast(User, self.request.user)).present()
        return get_object_or_404(own, pk=self.kwargs["id"])


def handed_out(request: Request, **file: Any) -> HttpResponseBase:
    try:
        return download(request._request, **file)
    except StorageError as error:
        raise StorageUnavailable(gettext("The stored file cannot be read. Try again later.")) from error
    except UnsatisfiableError as error:
        raise RangeNotSatisfiable(file["size"]) from error
