"""Attachments in the admin: uploaded, looked at, scanned again; what is quarantined is decided on, with a reason."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from attachments import services
from attachments.errors import AttachmentError
from attachments.models import Attachment, Stage
from attachments.receiving import ReceivedFile
from taskapp.models import Task
from work.large_tables import LATEST, latest, users_named
from work.machine_rows import MachineOwned


class UploadForm(forms.ModelForm):
    """A task and a file."""

    file = forms.FileField()

    class Meta:
        model = Attachment
        fields = ["task"]

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or {}
        if {"task", "file"} <= fields.keys():
            try:
                services.check_upload(fields["task"], fields["file"])
            except AttachmentError as error:
                raise ValidationError({"file": str(error)}) from error
        return fields


class ReasonForm(ActionForm):
    reason = forms.CharField(required=False, max_length=1000, label="Reason, to release or delete what is quarantined:")


class DeletedFilter(admin.SimpleListFilter):
    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Deleted")]

    def choices(self, changelist: Any) -> Any:
        present, *others = super().choices(changelist)
        return [{**present, "display": "Present"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Attachment]) -> QuerySet[Attachment]:
        return queryset.exclude(deleted_at=None) if self.value() == "yes" else queryset.filter(deleted_at=None)


@admin.register(Attachment)
class AttachmentAdmin(MachineOwned):
    form = UploadForm
    action_form = ReasonForm
    list_display = [
        "id",
        "short_name",
        "task_title",
        "owner",
        "state",
        "reason",
        "readable_size",
        "content_type",
        "created_at",
    ]
    list_filter = [DeletedFilter, "state"]
    search_fields = ["task__title", "task__owner__username"]
    search_help_text = f"An owner's name; or a file's name, among the latest {LATEST:,} attachments"
    list_select_related = ["task__owner"]
    autocomplete_fields = ["task"]
    fields = [
        "task", "name", "size", "content_type", "declared_type", "sha256", "state", "reason", "created_at",
        "deleted_at", "passport", "scan_so_far", "thumbnails_so_far",
    ]  # fmt: skip
    actions = ["rescan", "release", "delete_files"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ["task", "file"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else []

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("attachments.add_attachment")

    def has_bury_permission(self, request: HttpRequest) -> bool:
        """For our action; `has_delete_permission` is about Django's page, which nobody gets here."""
        return request.user.has_perm("attachments.delete_attachment")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """What goes wrong after the form was found to be right, such as a full disk, is said on its page."""
        try:
            return super().add_view(request, form_url, extra_context)
        except AttachmentError as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect(request.path)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Without Django's transaction around it: that would take back what remembers a stored file which is not
        adopted (attachments/files.py)."""
        return self._changeform_view(  # type: ignore[attr-defined]  # the stubs lack it
            request, object_id, form_url, extra_context
        )

    def save_model(self, request: HttpRequest, obj: Attachment, form: Any, change: bool) -> None:
        task, upload = cast(Task, form.cleaned_data["task"]), cast(ReceivedFile, form.cleaned_data["file"])
        made = services.add_attachment(task, upload=upload, by=cast(User, request.user))
        obj.pk, obj.name = made.pk, made.name

    def found_by(self, word: str) -> list[QuerySet[Attachment]]:
        named = latest(Attachment).filter(name__icontains=word)
        owned = Task.objects.filter(owner__in=users_named(word)).values("pk")
        return [Attachment.objects.filter(task__in=owned), named]

    @admin.display(description="Name", ordering="name")
    def short_name(self, attachment: Attachment) -> str:
        return Truncator(attachment.name).chars(60)

    @admin.display(description="Size", ordering="size")
    def readable_size(self, attachment: Attachment) -> str:
        return filesizeformat(attachment.size)

    @admin.display(description="Task")
    def task_title(self, attachment: Attachment) -> str:
        return Truncator(attachment.task.title).chars(60)

    @admin.display(description="Owner")
    def owner(self, attachment: Attachment) -> str:
        return attachment.task.owner.get_username()

    @admin.display(description="Scan")
    def scan_so_far(self, attachment: Attachment) -> SafeString:
        return self._stage(getattr(attachment, "scan", None), "verdict", "found", "scanner")

    @admin.display(description="Thumbnails")
    def thumbnails_so_far(self, attachment: Attachment) -> SafeString:
        return self._stage(getattr(attachment, "thumbnailing", None))

    def _stage(self, stage: Stage | None, *columns: str) -> SafeString:
        """How far a stage has come: what stands in its row, and its steps."""
        if stage is None:
            return format_html("{}", "none")
        names = ["status", *columns, "attempts", "reason", "seconds", "not_before", "lease_worker"]
        facts = [(name.replace("_", " "), value) for name in names if (value := getattr(stage, name)) not in {"", None}]
        return format_html("<p>{}</p>{}", format_html_join(", ", "{}: {}", facts), self.passport(stage))

    @admin.action(description="Scan again", permissions=["change"])
    def rescan(self, request: HttpRequest, attachments: QuerySet[Attachment]) -> None:
        self._each(request, attachments, "queued for the scanner", self._rescan)

    @admin.action(description="Release from quarantine (give a reason)", permissions=["change"])
    def release(self, request: HttpRequest, attachments: QuerySet[Attachment]) -> None:
        self._each(request, attachments, "released", self._release)

    @admin.action(description="Delete (for quarantined ones give a reason)", permissions=["bury"])
    def delete_files(self, request: HttpRequest, attachments: QuerySet[Attachment]) -> None:
        self._each(request, attachments, "deleted", self._delete)

    def _rescan(self, attachment: Attachment, by: User, reason: str) -> None:
        services.rescan_attachment(attachment, by=by, as_administrator=True)

    def _release(self, attachment: Attachment, by: User, reason: str) -> None:
        services.release_attachment(attachment, by=by, reason=reason)

    def _delete(self, attachment: Attachment, by: User, reason: str) -> None:
        services.delete_attachment(attachment, by=by, reason=reason, as_administrator=True)

    def _each(
        self, request: HttpRequest, attachments: QuerySet[Attachment], done: str,
        do: Callable[[Attachment, User, str], None],
    ) -> None:  # fmt: skip
        """Do it to each, and say to how many; and why not to the others."""
        count, by, reason = 0, cast(User, request.user), request.POST.get("reason", "").strip()
        for attachment in attachments:
            try:
                do(attachment, by, reason)
                count += 1
            except AttachmentError as error:
                self.message_user(request, f"{attachment.name}: {error}", messages.ERROR)
        if count:
            self.message_user(request, f"{count} attachment{'' if count == 1 else 's'} {done}.", messages.SUCCESS)

    def get_actions(self, request: HttpRequest) -> Any:
        """Deleting many at once is our action, which leaves tombstones; Django's erases."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}
