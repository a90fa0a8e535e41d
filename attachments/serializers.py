"""Attachments as JSON, and the form that uploads one."""

from typing import Any

from django.utils.functional import cached_property
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from accounts.fields import HistoryField, PlainTextField
from attachments.models import Attachment, Scan, Thumbnail, Thumbnailing
from attachments.scanning import SCANNER
from edges.unknown_fields import StrictModelSerializer, StrictSerializer
from work import breaker


class ScanSerializer(StrictModelSerializer[Scan]):
    """Whether it is clean, and how far finding out has come."""

    history = HistoryField(read_only=True)

    class Meta:
        model = Scan
        fields = [
            "status", "verdict", "found", "scanner", "attempts", "not_before", "began_at", "seconds", "reason",
            "history",
        ]  # fmt: skip
        read_only_fields = fields


class ThumbnailingSerializer(StrictModelSerializer[Thumbnailing]):
    """How far drawing the thumbnails has come."""

    history = HistoryField(read_only=True)

    class Meta:
        model = Thumbnailing
        fields = ["status", "attempts", "not_before", "began_at", "seconds", "reason", "history"]
        read_only_fields = fields


class ThumbnailSerializer(StrictModelSerializer[Thumbnail]):
    url = serializers.SerializerMethodField()

    class Meta:
        model = Thumbnail
        fields = ["size", "width", "height", "bytes", "url"]
        read_only_fields = fields

    @extend_schema_field({"type": "string", "format": "uri"})
    def get_url(self, thumbnail: Thumbnail) -> str:
        address = reverse("attachment-thumbnail", args=[thumbnail.attachment_id], request=self.context["request"])
        return f"{address}?size={thumbnail.size}"


class AttachmentSerializer(StrictModelSerializer[Attachment]):
    """A file of a task. It can be fetched from `content_url` while its state is `clean` or `ready`."""

    reason = serializers.SerializerMethodField(help_text="Why it is in that state, or what it waits for.")
    content_url = serializers.SerializerMethodField()
    thumbnails = ThumbnailSerializer(many=True, read_only=True)
    scan = serializers.SerializerMethodField()
    thumbnailing = serializers.SerializerMethodField()
    history = HistoryField(read_only=True)

    class Meta:
        model = Attachment
        fields = [
            "id", "task", "name", "size", "content_type", "sha256", "state", "reason", "created_at", "content_url",
            "thumbnails", "scan", "thumbnailing", "history",
        ]  # fmt: skip
        read_only_fields = fields

    def get_reason(self, attachment: Attachment) -> str:
        """While the scanner is away, that is the reason, whichever file was the last to find out."""
        return attachment.reason or (self._scanner_away if attachment.is_waiting else "")

    @cached_property
    def _scanner_away(self) -> str:
        return breaker.why_open(SCANNER)

    @extend_schema_field({"type": "string", "format": "uri"})
    def get_content_url(self, attachment: Attachment) -> str:
        return reverse("attachment-content", args=[attachment.pk], request=self.context["request"])

    @extend_schema_field(ScanSerializer(allow_null=True))
    def get_scan(self, attachment: Attachment) -> Any:
        """null for one that was deleted a moment ago."""
        scan: Scan | None = getattr(attachment, "scan", None)
        return None if scan is None else ScanSerializer(scan).data

    @extend_schema_field(ThumbnailingSerializer(allow_null=True))
    def get_thumbnailing(self, attachment: Attachment) -> Any:
        """null for what no thumbnails are made of, and until the file is known to be clean."""
        stage: Thumbnailing | None = getattr(attachment, "thumbnailing", None)
        return None if stage is None else ThumbnailingSerializer(stage).data


class UploadSerializer(StrictSerializer):
    """A form with one file, as multipart/form-data."""

    file = serializers.FileField()

    def validate_file(self, file: Any) -> Any:
        """Of several the form would give the last, and lose the others without a word."""
        if len(self.initial_data.getlist("file")) > 1:
            raise serializers.ValidationError(gettext("Send one file at a time."), code="several")
        return file


class ReleaseSerializer(StrictSerializer):
    reason = PlainTextField(max_length=1000, help_text="Why the file may be fetched all the same.")
