"""Rules can be edited; reminders and deliveries belong to the machine and can be read, and moved by actions."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import Truncator

from edges.zones import moment_in_words
from reminders import services
from reminders.channels import CHANNELS
from reminders.models import Delivery, Reminder, ReminderRule
from taskapp.dates import due_in_words
from taskapp.models import Task
from work.large_tables import LATEST, latest, users_named
from work.machine_rows import MachineOwned


@admin.register(ReminderRule)
class ReminderRuleAdmin(admin.ModelAdmin):
    list_display = ["__str__", "kind", "offset", "owner", "task", "is_enabled"]
    list_filter = ["kind", "is_enabled"]
    list_select_related = ["owner", "task"]
    autocomplete_fields = ["owner", "task"]


@admin.register(Reminder)
class ReminderAdmin(MachineOwned):
    list_display = ["id", "task_title", "owner", "status", "reminds", "reason", "due", "kind"]
    list_filter = ["status", "kind"]
    search_fields = ["task__title", "task__owner__username"]
    search_help_text = f"An owner's name; or a task's title, among the latest {LATEST:,} tasks"
    list_select_related = ["task__owner"]
    fields = [
        "task",
        "kind",
        "rule_number",
        "due",
        "round",
        "reminds",
        "status",
        "reason",
        "passport",
    ]
    actions = ["send_now", "cancel"]

    def found_by(self, word: str) -> list[QuerySet[Reminder]]:
        titled = latest(Task).filter(title__icontains=word)
        return [
            Reminder.objects.filter(task__in=Task.objects.filter(owner__in=users_named(word)).values("pk")),
            Reminder.objects.filter(task__in=titled.values("pk")),
        ]

    @admin.display(description="Task", ordering="task__title")
    def task_title(self, reminder: Reminder) -> str:
        return Truncator(reminder.task.title).chars(80)

    @admin.display(description="Owner", ordering="task__owner__username")
    def owner(self, reminder: Reminder) -> str:
        return reminder.task.owner.get_username()

    @admin.display(description="Remind at", ordering="remind_at")
    def reminds(self, reminder: Reminder) -> str:
        """In the task's zone."""
        return moment_in_words(reminder.remind_at, reminder.task.timezone, timezone.now())

    @admin.display(description="Due", ordering="due_at")
    def due(self, reminder: Reminder) -> str:
        """The due date that it is about, in the task's zone as it is now."""
        task = reminder.task
        return due_in_words("", reminder.due_at, task.timezone, timezone.now(), all_day=task.all_day)

    @admin.display(description="Rule")
    def rule_number(self, reminder: Reminder) -> int:
        return reminder.rule_id

    @admin.action(description="Send now", permissions=["change"])
    def send_now(self, request: HttpRequest, reminders: QuerySet[Reminder]) -> None:
        count = services.send_now(reminders, by=request.user)  # type: ignore[arg-type]
        self.message_user(request, f"{count} planned reminder(s) will go out within seconds.", messages.SUCCESS)

    @admin.action(description="Cancel what has not gone out", permissions=["change"])
    def cancel(self, request: HttpRequest, reminders: QuerySet[Reminder]) -> None:
        count = services.cancel_reminders(reminders, by=request.user)  # type: ignore[arg-type]
        self.message_user(request, f"{count} cancelled.", messages.SUCCESS)


class ChannelFilter(admin.SimpleListFilter):
    """The channels that there are; Django's own filter reads every delivery to find out."""

    title = "channel"
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in CHANNELS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        return queryset.filter(channel=self.value()) if self.value() else queryset


@admin.register(Delivery)
class DeliveryAdmin(MachineOwned):
    list_display = ["id", "task_title", "recipient", "status", "sent_at", "reason", "attempts", "not_before", "channel"]
    list_filter = ["status", "unknown_outcome", ChannelFilter]
    search_fields = ["=message_id", "recipient__username", "reminder__task__title"]
    search_help_text = f"A whole Message-ID; a recipient's name; or a title, among the latest {LATEST:,} tasks"
    list_select_related = ["reminder__task", "attachment__task", "recipient"]
    fields = [
        "reminder", "attachment", "task", "recipient", "address", "channel", "status", "reason", "attempts",
        "not_before", "sent_at", "message_id", "unknown_outcome", "lease_worker", "lease_until", "passport",
    ]  # fmt: skip
    actions = ["retry"]

    def found_by(self, word: str) -> list[QuerySet[Delivery]]:
        titled = latest(Task).filter(title__icontains=word)
        return [
            Delivery.objects.filter(message_id=word).exclude(message_id=""),
            Delivery.objects.filter(recipient__in=users_named(word)),
            Delivery.objects.filter(reminder__in=Reminder.objects.filter(task__in=titled.values("pk")).values("pk")),
        ]

    @admin.display(description="Task", ordering="reminder__task__title")
    def task_title(self, delivery: Delivery) -> str:
        return Truncator(delivery.task.title).chars(80)

    @admin.display(description="Task")
    def task(self, delivery: Delivery) -> Task:
        return delivery.task

    @admin.action(description="Retry now", permissions=["change"])
    def retry(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        count = services.retry_deliveries(deliveries, by=request.user)  # type: ignore[arg-type]
        self.message_user(request, f"{count} queued again; sent and running ones were left alone.", messages.SUCCESS)
