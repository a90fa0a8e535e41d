"""Reminders and deliveries as JSON."""

from rest_framework import serializers

from accounts.fields import HistoryField
from edges.unknown_fields import StrictModelSerializer, StrictSerializer
from reminders.models import Delivery, Reminder


class ReminderSerializer(StrictModelSerializer[Reminder]):
    rule = serializers.IntegerField(source="rule_id", read_only=True)
    history = HistoryField(read_only=True)

    class Meta:
        model = Reminder
        fields = ["id", "task", "rule", "kind", "due_at", "remind_at", "round", "status", "reason", "history"]
        read_only_fields = fields


class DeliverySerializer(StrictModelSerializer[Delivery]):
    task = serializers.IntegerField(source="task_id", read_only=True)
    recipient = serializers.SerializerMethodField(help_text="The address: of the last attempt, else the one on file.")
    history = HistoryField(read_only=True)

    class Meta:
        model = Delivery
        fields = [
            "id", "reminder", "attachment", "task", "recipient", "channel", "status", "reason", "attempts",
            "not_before", "sent_at", "message_id", "unknown_outcome", "history",
        ]  # fmt: skip
        read_only_fields = fields

    def get_recipient(self, delivery: Delivery) -> str:
        return delivery.address or delivery.recipient.email


class RetriedSerializer(StrictSerializer):
    retried = serializers.IntegerField(help_text="How many were queued again.")
