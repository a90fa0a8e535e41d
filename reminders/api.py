"""Reminders and deliveries over HTTP: read, and the few things that a person does with them."""

from typing import cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from edges.unknown_fields import EmptySerializer, refuse_body
from reminders import services
from reminders.models import Delivery, Reminder
from reminders.serializers import DeliverySerializer, ReminderSerializer, RetriedSerializer
from taskapp.filters import IdFilter


class NotInThatState(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "not_in_that_state"


class ReminderFilter(filters.FilterSet):  # type: ignore[misc]
    task = IdFilter(field_name="task_id")
    status = filters.MultipleChoiceFilter(choices=Reminder.Status.choices)

    class Meta:
        model = Reminder
        fields = ["task", "status"]


class ReminderViewSet(viewsets.ReadOnlyModelViewSet[Reminder]):
    """When you are told what. Reminders follow their tasks; those of deleted tasks stay, and say why."""

    queryset = Reminder.objects.none()
    serializer_class = ReminderSerializer
    filterset_class = ReminderFilter
    ordering_fields = ["id", "remind_at", "due_at"]
    ordering = ["-id"]
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[Reminder]:
        return Reminder.objects.filter(task__owner=cast(User, self.request.user))

    @extend_schema(request=None, responses={200: ReminderSerializer, 409: None})
    @action(detail=True, methods=["post"], serializer_class=EmptySerializer)
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a reminder that has not gone out yet."""
        reminder = self.get_object()
        refuse_body(request)
        if not services.cancel_reminders(Reminder.objects.filter(pk=reminder.pk), by=cast(User, request.user)):
            raise NotInThatState(gettext("Nothing of this reminder is waiting to go out."))
        reminder.refresh_from_db()
        return Response(ReminderSerializer(reminder).data)


class DeliveryFilter(filters.FilterSet):  # type: ignore[misc]
    reminder = IdFilter(field_name="reminder_id")
    task = IdFilter(method="of_task")
    status = filters.MultipleChoiceFilter(choices=Delivery.Status.choices)

    class Meta:
        model = Delivery
        fields = ["reminder", "task", "status"]

    def of_task(self, deliveries: QuerySet[Delivery], name: str, value: int) -> QuerySet[Delivery]:
        """A union, for one condition with OR across tables is met by no index."""
        reminders = Delivery.objects.filter(reminder__task=value).order_by().values("pk")
        files = Delivery.objects.filter(attachment__task=value).order_by().values("pk")
        return deliveries.filter(pk__in=reminders.union(files))


class DeliveryViewSet(viewsets.ReadOnlyModelViewSet[Delivery]):
    """What became of each reminder, for each channel, with every attempt."""

    queryset = Delivery.objects.none()
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    ordering_fields = ["id", "sent_at", "not_before"]
    ordering = ["-id"]
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[Delivery]:
        own = Delivery.objects.owned_by(cast(User, self.request.user))
        return own.select_related("reminder", "attachment", "recipient")

    @extend_schema(request=None, responses={200: DeliverySerializer, 409: None})
    @action(detail=True, methods=["post"], serializer_class=EmptySerializer)
    def retry(self, request: Request, pk: str) -> Response:
        """Queue it again at once: failed, suppressed, or waiting for a later attempt."""
        delivery = self.get_object()
        refuse_body(request)
        if not services.retry_deliveries(Delivery.objects.filter(pk=delivery.pk), by=cast(User, request.user)):
            raise NotInThatState(gettext("A delivery that is sent or in work cannot be retried."))
        delivery.refresh_from_db()
        return Response(DeliverySerializer(delivery).data)

    @extend_schema(request=None, responses=RetriedSerializer, operation_id="deliveries_retry_failed")
    @action(
        detail=False, methods=["post"], url_path="retry", url_name="retry-failed", pagination_class=None,
        serializer_class=EmptySerializer,
    )  # fmt: skip
    def retry_failed(self, request: Request) -> Response:
        """Queue every failed delivery of yours again at once."""
        refuse_body(request)
        failed = self.get_queryset().filter(status=Delivery.Status.FAILED)
        return Response({"retried": services.retry_deliveries(failed, by=cast(User, request.user))})
