"""Rows for tests. Each fills what a state implies."""

import hashlib
import uuid
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.utils import timezone

from attachments import files
from attachments.kinds import content_type_of
from attachments.models import Attachment, Scan, Thumbnail
from attachments.receiving import ReceivingHandler
from attachments.services import add_attachment
from reminders.models import Delivery, Reminder, ReminderRule
from taskapp.models import Task

PASSWORD = "correct horse battery"


def make_user(username: str, **fields: Any) -> User:
    email = fields.pop("email", f"{username}@example.org")
    return User.objects.create_user(username, email, PASSWORD, **fields)


def in_hours(hours: float) -> datetime:
    return timezone.now() + timedelta(hours=hours)


def make_task(owner: User, *, due_in_hours: float | None = 3, title: str = "Pay the rent", **fields: Any) -> Task:
    """A task due in so many hours: within the day before which the default rule reminds."""
    if due_in_hours is not None:
        fields.setdefault("due_at", in_hours(due_in_hours))
    return Task.objects.create(owner=owner, title=title, **fields)


def default_rule() -> ReminderRule:
    return ReminderRule.objects.get(owner=None, task=None)


def make_reminder(task: Task, **fields: Any) -> Reminder:
    rule = fields.pop("rule", None) or default_rule()
    fields = {"kind": rule.kind, "due_at": task.due_at, "remind_at": task.due_at + rule.offset, **fields}
    return Reminder.objects.create(task=task, rule=rule, **fields)


def make_delivery(task: Task, **fields: Any) -> Delivery:
    """A queued delivery of a reminder of the task, unless told otherwise."""
    reminder = make_reminder(task, status=Reminder.Status.DISPATCHED)
    if fields.get("status") == Delivery.Status.SENT:
        fields.setdefault("sent_at", timezone.now())
    if fields.get("status") in {Delivery.Status.FAILED, Delivery.Status.SUPPRESSED}:
        fields.setdefault("reason", "a reason")
    return Delivery.objects.create(reminder=reminder, recipient=task.owner, **fields)


def make_attachment(task: Task, *, content: bytes = b"hello", **fields: Any) -> Attachment:
    """A ready attachment with its file and its scan, unless told otherwise."""
    fields = {
        "name": "hello.txt", "size": len(content), "sha256": hashlib.sha256(content).hexdigest(),
        "content_type": content_type_of(content), "state": Attachment.State.READY, **fields,
    }  # fmt: skip
    if fields["state"] in {*Attachment.QUARANTINED, Attachment.State.FAILED}:
        fields.setdefault("reason", "a reason")
    key = files.write(ContentFile(content))
    attachment = Attachment.objects.create(task=task, key=key, **fields)
    files.adopt(key)
    lease = {"lease_token": uuid.uuid4(), "lease_until": in_hours(1)}
    stage: dict[str, Any] = {"uploaded": {"status": "queued"}, "scanning": {"status": "leased", **lease}}.get(
        fields["state"], {"status": "done"}
    )
    Scan.objects.create(attachment=attachment, owner_id=task.owner_id, **stage)
    return attachment


def make_thumbnail(attachment: Attachment, *, content: bytes = b"a picture", size: str = "small") -> Thumbnail:
    key = files.write(ContentFile(content))
    thumbnail = Thumbnail.objects.create(
        attachment=attachment, size=size, width=4, height=3, bytes=len(content), key=key
    )
    files.adopt(key)
    return thumbnail


def upload_file(task: Task, content: bytes = b"Some text.\n", *, name: str = "note.txt") -> Attachment:
    """A file that was uploaded as through the API, and waits for its scan."""
    handler = ReceivingHandler()
    handler.new_file("file", name, "application/octet-stream", None, None, {})
    handler.receive_data_chunk(content, 0)
    with closing(handler.file_complete(len(content))) as upload:
        return add_attachment(task, upload=upload, by=task.owner)
