"""Mail that leaves the machine only as a file: DATA_DIR/outbox/*.eml, one per message.

The file is named after the Message-ID, so a message that is written twice is still one file.
"""

import errno
import os
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from mail.backend import of_django
from reminders.channels.base import Lease, Message, TransportError
from reminders.channels.mime import compose

ACCOUNT_PREFIX = "account-"
"""How the names of mails about accounts begin."""


class OutboxSession:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __enter__(self) -> Self:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._cannot_write(error) from error
        if not os.access(self.directory, os.W_OK):
            raise self._cannot_write(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Nothing is held open."""

    is_open = True

    def abort(self) -> None:
        """Nothing here waits for anybody."""

    def send(self, message: Message, *, lease: Lease) -> None:
        content = compose(message).as_bytes()
        if time.monotonic() >= lease.hand_over_until:
            raise TransportError("too late")
        try:
            write(self.directory, name_of(message.message_id), content)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> TransportError:
        return TransportError(f"the outbox {self.directory} cannot be written: {error.strerror}")


class OutboxEmailBackend(BaseEmailBackend):
    """Django's own mail (password resets) goes the same way. Its name tells it from reminders; superusers see it."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for email in email_messages:
            mail = of_django(email)
            write(settings.OUTBOX_DIR, ACCOUNT_PREFIX + name_of(mail.message_id), mail.as_bytes())
        return len(email_messages)


def name_of(message_id: str) -> str:
    """The file name for a Message-ID: its left part, which is ours and plain."""
    return message_id.strip("<>").partition("@")[0] + ".eml"


def clear(directory: Path, *, older_than: timedelta) -> int:
    """Delete the messages that were written longer ago than that; return how many."""
    oldest = time.time() - older_than.total_seconds()
    old = [path for path in directory.glob("*.eml") if path.stat().st_mtime < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def write(directory: Path, name: str, content: bytes) -> None:
    """Write the file whole or not at all, and have it on the disk before anybody is told that it was sent."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = directory / f".{name}.{os.getpid()}"
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(directory / name)
    entry = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(entry)  # the name, too
    finally:
        os.close(entry)
