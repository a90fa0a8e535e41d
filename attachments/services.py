"""What people do with attachments. The API and the admin call these; workers do the rest, which finds rows."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext

from attachments import files
from attachments.errors import (
    DiskFullError,
    FileEmptyError,
    FileTooLargeError,
    NotInThatStateError,
    QuarantinedError,
    QuotaExceededError,
    ReasonMissingError,
    StorageFailedError,
    TaskGoneError,
    TooManyAttachmentsError,
)
from attachments.kinds import LOOKED_AT, content_type_of
from attachments.models import Attachment, Scan
from attachments.names import safe_name
from attachments.receiving import ReceivedFile
from taskapp.models import Task
from work.failpoints import reached
from work.step import clock, noted, step

State = Attachment.State


def add_attachment(task: Task, *, upload: ReceivedFile, by: User) -> Attachment:
    """Store the file and queue its scan; nobody can fetch it until that has found it clean.

    The file is written before the row, outside of any transaction; of an upload that fails nothing stays
    (attachments/files.py).
    """
    check_upload(task, upload)
    beginning = upload.read(LOOKED_AT)
    upload.seek(0)
    facts = {
        "name": safe_name(upload.name or ""), "size": int(upload.size or 0), "sha256": upload.sha256,
        "content_type": content_type_of(beginning), "declared_type": printable(upload.content_type or ""),
    }  # fmt: skip
    try:
        key = files.write(upload)
    except files.StorageError as error:
        raise StorageFailedError from error
    with files.let_go_on_error(key), transaction.atomic():
        attachment = make_row(task, key=key, by=by, **facts)
        reached("attachment saving")
    step("attachment", "uploaded", id=attachment.pk, task=task.pk, size=attachment.size)
    return attachment


def check_upload(task: Task, upload: ReceivedFile) -> None:
    """Whether the file is one that the task may have; AttachmentError with a sentence if not."""
    if upload.is_too_large:
        raise FileTooLargeError(
            gettext("The file is larger than %(size)s.") % {"size": in_megabytes(settings.ATTACHMENT_MAX_BYTES)}
        )
    if upload.has_no_room:
        raise DiskFullError
    if upload.is_broken:
        raise StorageFailedError
    if not upload.size:
        raise FileEmptyError
    check_room(task, size=int(upload.size or 0))


def make_row(task: Task, *, key: str, by: User, **facts: Any) -> Attachment:
    """The attachment of a file that is stored, and its scan. One of an owner's after the other, for the limits."""
    User.objects.select_for_update(no_key=True).filter(pk=task.owner_id).first()
    stored = Task.objects.present().select_for_update(no_key=True).filter(pk=task.pk, owner=task.owner_id).first()
    if stored is None:
        raise TaskGoneError
    check_room(stored, size=facts["size"])
    attachment = Attachment.objects.create(task=stored, key=key, **facts)
    Attachment.objects.filter(pk=attachment.pk).update(history=noted("uploaded", by=by.get_username()))
    Scan.objects.create(attachment=attachment, owner_id=stored.owner_id)
    try:
        files.adopt(key)
    except files.FileLostError as error:
        raise StorageFailedError from error
    return attachment


def check_room(task: Task, *, size: int) -> None:
    """Whether the task may have one more attachment, and its owner so many more bytes."""
    most = settings.ATTACHMENTS_PER_TASK
    if Attachment.objects.filter(task=task).present().count() >= most:
        raise TooManyAttachmentsError(
            gettext("The task has %(most)s attachments, which is as many as it can have.") % {"most": most}
        )
    used = Attachment.objects.filter(owner_id=task.owner_id).stored().aggregate(bytes=Sum("size"))["bytes"] or 0
    if used + size > settings.ATTACHMENT_QUOTA_BYTES:
        raise QuotaExceededError(no_room(size=size, used=used))


def no_room(*, size: int, used: int) -> str:
    text = gettext(
        "The file has %(size)s; %(left)s of your %(quota)s are left. Files of deleted tasks count until those are "
        "purged, %(days)s days later."
    )
    return text % {
        "size": in_megabytes(size), "left": in_megabytes(settings.ATTACHMENT_QUOTA_BYTES - used),
        "quota": in_megabytes(settings.ATTACHMENT_QUOTA_BYTES), "days": settings.TOMBSTONE_DAYS,
    }  # fmt: skip


def delete_attachment(attachment: Attachment, *, by: User, reason: str = "", as_administrator: bool = False) -> None:
    """Leave a tombstone; the database lets the files go.

    What is quarantined is an administrator's to delete, with a reason.
    """
    with transaction.atomic():
        stored = locked(attachment)
        if stored.is_quarantined:
            require_administrator(reason, as_administrator=as_administrator)
        Attachment.objects.filter(pk=stored.pk).update(
            deleted_at=clock(), history=noted("deleted", by=by.get_username(), **because(reason))
        )
        reached("attachment deleting")
    step("attachment", "deleted", id=attachment.pk, by=by.pk, reason=reason)


def release_attachment(attachment: Attachment, *, by: User, reason: str) -> None:
    """An administrator's word that the file may be fetched, whatever the scan has said. Nothing is drawn from it."""
    require_administrator(reason, as_administrator=True)
    with transaction.atomic():
        stored = locked(attachment)
        if stored.state not in {*Attachment.QUARANTINED, State.FAILED}:
            raise NotInThatStateError(gettext("It is not quarantined."))
        words = f"released by {by.get_username()}: {reason}"
        Attachment.objects.filter(pk=stored.pk).update(
            state=State.READY, reason=words, history=noted("released", by=by.get_username(), reason=reason)
        )
    step("attachment", "released", id=attachment.pk, by=by.pk, reason=reason)


def rescan_attachment(attachment: Attachment, *, by: User, as_administrator: bool = False) -> None:
    """Scan it again, with all its attempts. Until that has ended nobody can fetch it."""
    with transaction.atomic():
        stored = locked(attachment)
        if stored.is_quarantined and not as_administrator:
            raise QuarantinedError(gettext("It is quarantined: only an administrator may have it scanned again."))
        if stored.state in {*Attachment.WAITING, State.CLEAN}:
            raise NotInThatStateError(gettext("It is being processed already."))
        Attachment.objects.filter(pk=stored.pk).update(
            state=State.UPLOADED, reason="", history=noted("scan asked for", by=by.get_username())
        )
        Scan.objects.filter(attachment=stored).update(
            status=Scan.Status.QUEUED, is_settled=False, verdict=Scan.Verdict.NONE,
            found="", reason="", attempts=0, not_before=clock(),
            alone=False, lease_token=None, lease_until=None, lease_worker="",
            history=noted("asked for", by=by.get_username()),
        )  # fmt: skip
    step("attachment", "scan asked for", id=attachment.pk, by=by.pk)


def locked(attachment: Attachment) -> Attachment:
    """The attachment as it is stored, and stays until the transaction ends. Before its stages, as everywhere."""
    stored = Attachment.objects.select_for_update(no_key=True).filter(pk=attachment.pk, deleted_at=None).first()
    if stored is None:
        raise NotInThatStateError(gettext("It was deleted meanwhile."))
    return stored


def require_administrator(reason: str, *, as_administrator: bool) -> None:
    if not as_administrator:
        raise QuarantinedError
    if not reason.strip():
        raise ReasonMissingError


def because(reason: str) -> dict[str, str]:
    return {"reason": reason} if reason else {}


def in_megabytes(count: int) -> str:
    return f"{max(count, 0) / 2**20:.1f}".removesuffix(".0") + " MB"


def printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:100]
