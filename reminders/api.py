"""Reminders and deliveries over HTTP: read, and the few things that a person does with them."""

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from reminders import services
from reminders.models import Delivery, Reminder
from reminders.serializers import DeliverySerializer, ReminderSerializer

NOT_IN_THAT_STATE = OpenApiResponse(description="The row is not in a state in which this can be done.")


class NotInThatState(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "not_in_that_state"


class ReminderFilter(filters.FilterSet):
    task = filters.NumberFilter(field_name="task_id", min_value=1, max_value=2**63 - 1)
    status = filters.MultipleChoiceFilter(choices=Reminder.Status.choices)

    class Meta:
        model = Reminder
        fields = ["task", "status"]


class ReminderViewSet(viewsets.ReadOnlyModelViewSet[Reminder]):
    """When you are told what. Reminders follow their tasks; those of deleted tasks stay, and say why they did not go."""

    queryset = Reminder.objects.none()
    serializer_class = ReminderSerializer
    filterset_class = ReminderFilter
    ordering_fields = ["id", "remind_at", "due_at"]
    ordering = ["-id"]
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[Reminder]:
        return Reminder.objects.filter(task__owner=self.request.user)  # type: ignore[misc]

    @extend_schema(request=None, responses={200: ReminderSerializer, 409: NOT_IN_THAT_STATE})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a reminder that has not gone out yet."""
        reminder = self.get_object()
        if not services.cancel_reminders(Reminder.objects.filter(pk=reminder.pk), by=request.user):
            raise NotInThatState("Nothing of this reminder is waiting to go out.")
        reminder.refresh_from_db()
        return Response(self.get_serializer(reminder).data)


class DeliveryFilter(filters.FilterSet):
    reminder = filters.NumberFilter(field_name="reminder_id", min_value=1, max_value=2**63 - 1)
    task = filters.NumberFilter(field_name="reminder__task_id", min_value=1, max_value=2**63 - 1)
    status = filters.MultipleChoiceFilter(choices=Delivery.Status.choices)

    class Meta:
        model = Delivery
        fields = ["reminder", "task", "status"]


class DeliveryViewSet(viewsets.ReadOnlyModelViewSet[Delivery]):
    """What became of each reminder, for each channel, with every attempt."""

    queryset = Delivery.objects.none()
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    ordering_fields = ["id", "sent_at", "not_before"]
    ordering = ["-id"]
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[Delivery]:
        return Delivery.objects.owned_by(self.request.user).select_related("reminder", "recipient")  # type: ignore[arg-type]

    @extend_schema(request=None, responses={200: DeliverySerializer, 409: NOT_IN_THAT_STATE})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Queue it again at once: failed, suppressed, or waiting for a later attempt."""
        delivery = self.get_object()
        if not services.retry_deliveries(Delivery.objects.filter(pk=delivery.pk), by=request.user):
            raise NotInThatState("A delivery that is sent or in work cannot be retried.")
        delivery.refresh_from_db()
        return Response(self.get_serializer(delivery).data)
