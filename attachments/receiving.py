"""Receiving a file: straight to a temporary one on the disk, measured and hashed as it passes.

So no upload is ever whole in memory, and of one that is too large no more is kept than the limit. The directory is
beside the storage's own, so that storing a file is a rename; what a process that died has left there is cleared.
"""

import hashlib
import shutil
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from typing import IO, Any, cast

import structlog
from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler

log = structlog.get_logger("attachments")

ABANDONED_AFTER = timedelta(days=1)


class ReceivedFile(TemporaryUploadedFile):
    """A file as it came, with what is known of it without reading it again."""

    sha256 = ""
    is_too_large = False
    is_broken = False
    """The disk did not take it."""
    has_no_room = False
    """It would have left less on the disk than is kept (DISK_RESERVE_MB)."""

    def __init__(self, name: str, content_type: str) -> None:
        # Past TemporaryUploadedFile, which would make a file of its own elsewhere.
        UploadedFile.__init__(self, self._opened(), name, content_type, 0)

    def _opened(self) -> IO[bytes]:
        """Unbuffered, so that the disk has a chunk when it is written, and not when it is read or closed."""
        try:
            settings.UPLOAD_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
            return tempfile.NamedTemporaryFile(dir=settings.UPLOAD_DIR, suffix=".upload", buffering=0)
        except OSError:
            log.exception("upload not received")
            self.is_broken = True
            return BytesIO()

    @property
    def is_refused(self) -> bool:
        return self.is_too_large or self.is_broken or self.has_no_room

    def append(self, chunk: bytes) -> None:
        file = cast("IO[bytes]", self.file)
        try:
            while chunk:  # a disk that is nearly full takes a part first
                chunk = chunk[file.write(chunk) :]
        except OSError:
            log.exception("upload not received")
            self.is_broken = True


def is_room_for(size: int) -> bool:
    """Whether the disk has more than is kept once so many bytes are written; an error is for whoever writes them."""
    try:
        return shutil.disk_usage(settings.UPLOAD_DIR).free - size >= settings.DISK_RESERVE_BYTES
    except OSError:
        return True


class ReceivingHandler(TemporaryFileUploadHandler):
    """The only one of FILE_UPLOAD_HANDLERS."""

    file: ReceivedFile

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super(TemporaryFileUploadHandler, self).new_file(*args, **kwargs)
        self.file = ReceivedFile(self.file_name or "", self.content_type or "")
        self._hash = hashlib.sha256()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        if start + len(raw_data) > settings.ATTACHMENT_MAX_BYTES:
            self.file.is_too_large = True
        elif not is_room_for(len(raw_data)):
            self.file.has_no_room = True
        if not self.file.is_refused:
            self._hash.update(raw_data)
            self.file.append(raw_data)
        return None

    def file_complete(self, file_size: int) -> "UploadedFile[Any] | None":
        self.file.sha256 = self._hash.hexdigest()
        return super().file_complete(file_size)


def clear_abandoned() -> int:
    """Delete what uploads and drawings have left whose process died; return how many."""
    cleared = 0
    for path in [*settings.UPLOAD_DIR.glob("*.upload"), *settings.UPLOAD_DIR.glob("*.slot")]:
        with suppress(FileNotFoundError):  # an upload may end at any moment
            if time.time() - path.stat().st_mtime > ABANDONED_AFTER.total_seconds():
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
                cleared += 1
    return cleared
