"""The storage of files, watched; and what lies in its directory."""

from pathlib import Path

from django.core.files import File

from attachments.files import DurableFileSystemStorage


class ObservedStorage(DurableFileSystemStorage):
    """Keeps the files that it has opened, and the keys that it was asked to delete; refuses that while it is broken."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.deleted: list[str] = []
        self.opened: list[File[bytes]] = []
        self.is_broken = False

    def _open(self, name: str, mode: str = "rb") -> "File[bytes]":
        self.opened.append(super()._open(name, mode))
        return self.opened[-1]

    def delete(self, name: str) -> None:
        self.deleted.append(name)
        if self.is_broken:
            raise OSError("the disk is on fire")
        super().delete(name)


def files_in(directory: Path) -> list[Path]:
    """All of them, however deep."""
    return sorted(path for path in directory.rglob("*") if path.is_file())
