"""The files themselves, in Django's storage `attachments`, under random keys.

A file is written before the row that refers to it, so a process that dies in between would leave it over. `write`
therefore writes an Erasure first, due in an hour, and `adopt` takes that back in the transaction that makes the row.
What is never adopted is erased, and so is what loses its row: for that the database itself writes the Erasure.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Self

import structlog
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db import Error as AnyDatabaseError
from django.db import transaction
from django.db.models.functions import Now

from attachments.models import Erasure
from work.failpoints import reached
from work.step import in_

log = structlog.get_logger("attachments")

NEVER_ADOPTED_AFTER = timedelta(hours=1)
"""An upload may take as long as this; what is written and not referred to by then goes."""


class FileLostError(Exception):
    """It was stored so long ago that it has been erased, or is about to be."""


class StorageError(Exception):
    """The storage does not answer, refuses, or has lost the file.

    The text is the kind of error alone, for owners read it: paths, hosts and buckets are for the log.
    """


class DurableFileSystemStorage(FileSystemStorage):
    """Django's, which lets the operating system write when it likes; this one waits until the disk has the file."""

    def _save(self, name: str, content: "File[bytes]") -> str:
        saved = str(super()._save(name, content))  # type: ignore[misc]  # the stubs lack it
        path = Path(self.path(saved))
        for each in (path, path.parent, path.parent.parent):
            synced(each)
        return saved


def synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage() -> Storage:
    return storages["attachments"]


def new_key() -> str:
    """Random, and spread over 256 directories."""
    name = secrets.token_hex(16)
    return f"{name[:2]}/{name}"


@contextmanager
def storage_errors(doing: str, key: str) -> Iterator[None]:
    """Each storage raises errors of its own, OSError or botocore's. Out of here comes one kind; the log has which."""
    try:
        yield
    except Exception as error:
        log.exception("storage failed", doing=doing, key=key)
        raise StorageError(type(error).__name__) from error


def write(content: "File[bytes]") -> str:
    """Store the file, and return its key. It goes again unless somebody adopts it. StorageError if it is not stored."""
    key = new_key()
    with transaction.atomic(durable=True):  # committed before the file is there, so never within another transaction
        Erasure.objects.create(key=key, not_before=in_(NEVER_ADOPTED_AFTER))
    reached("file writing")
    with storage_errors("writing", key):
        stored = storage().save(key, content)
    assert stored == key  # noqa: S101 (the key is random, so no file had it)
    reached("file written")
    return key


def adopt(*keys: str) -> None:
    """In the transaction that makes the row which refers to them: keep the files."""
    kept = Erasure.objects.filter(key__in=keys, attempts=0).delete()[0]
    if kept != len(keys):
        raise FileLostError


def let_go(*keys: str) -> None:
    """They will not be adopted: they may go at once, also where an Erasure of theirs has been worked off already."""
    Erasure.objects.bulk_create(
        [Erasure(key=key, not_before=Now()) for key in keys],
        update_conflicts=True, unique_fields=["key"], update_fields=["not_before"],
    )  # fmt: skip


@contextmanager
def let_go_on_error(*keys: str) -> Iterator[None]:
    """Around the transaction that adopts them.

    Where the database fails, nobody knows whether it has committed. The Erasure does: it is there or not.
    """
    try:
        yield
    except AnyDatabaseError:
        raise
    except Exception:
        let_go(*keys)
        raise


def delete(key: str) -> None:
    """Delete the file; one that is not there is as good as deleted. StorageError if the storage will not."""
    with storage_errors("deleting", key):
        storage().delete(key)


class StoredFile:
    """A file to be read, never whole in memory: a bucket's comes to the disk with the first `seek` or `read`.

    All of it raises StorageError if the storage has lost the file, or does not answer.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        with storage_errors("opening", key):
            self._file = storage().open(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def seek(self, place: int) -> None:
        """Go there; who cannot, has closed the file."""
        try:
            with storage_errors("reading", self._key):
                self._file.seek(place)
        except StorageError:
            self.close()
            raise

    def read(self, count: int = -1) -> bytes:
        with storage_errors("reading", self._key):
            return bytes(self._file.read(count))

    def close(self) -> None:
        self._file.close()
