"""The second stage: from a clean picture or PDF to its thumbnails.

The drawing itself is a program of its own (attachments/drawing.py) with limits on memory, time and pixels, so that
what a hostile file does to it, it does to that process alone. A file that cannot be drawn has no thumbnails, and the
stage says why; it can be fetched all the same.
"""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from django.conf import settings
from django.core.files import File
from django.db import transaction

from attachments import drawing, files
from attachments.models import Attachment, Thumbnail, Thumbnailing
from attachments.scanning import lease, locked_attachment, log, refuse
from work import breaker
from work.claims import Holder, Turn, claim, claim_alone, hand_back, held, release
from work.failpoints import reached
from work.insisting import DATABASE_AWAY, insist
from work.step import clock, noted, step

State, Status = Attachment.State, Thumbnailing.Status

DRAW_SHARE = 0.4
"""What part of a lease drawing may take."""

DRAWING_SECONDS = 20.0
"""And how long at most, for a worker's process is kept by it."""

LONGEST_ANSWER = 10_000

BROKEN = {
    -each
    for each in (
        signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP,
    )
}  # fmt: skip
"""How a decoder ends that breaks, or that gets no more memory. Any other signal comes from somebody else."""

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}

LEASE_LOST = "lease lost"

turn = Turn(by="owner_id")
"""Whose turn it is in this process."""


class NotDrawableError(Exception):
    """Nothing can be drawn of this file, now or ever."""


class DrawingEndedError(Exception):
    """The program was ended or is broken, which says nothing about the file: it is drawn later."""


@dataclass(frozen=True)
class Drawn:
    size: str
    width: int
    height: int
    bytes: int


def draw_next(counts: "Counter[str]") -> bool:
    """Claim one, and bring it to an end or back into the queue. False if none is due."""
    holder = Holder()
    taken = claim_alone(Thumbnailing, holder, lease=lease())
    taken = taken or claim(Thumbnailing, holder, limit=1, lease=lease(), turn=turn)
    for pk in taken:
        counts[draw(pk, holder)] += 1
    return bool(taken)


def draw(pk: int, holder: Holder) -> str:
    """Make the thumbnails of one attachment; return the word for what became of it."""
    attachment = Attachment.objects.filter(thumbnailing=pk, deleted_at=None).first()
    if attachment is None or not held(Thumbnailing, pk, holder).update(began_at=clock()):
        return "left alone"
    reached("thumbnailing begun", id=pk)
    began = monotonic()
    try:
        with tempfile.TemporaryDirectory(dir=work_directory(), suffix=".upload") as directory:
            drawn = drawn_in(Path(directory), attachment)
            keys = [stored(Path(directory, f"{each.size}.webp")) for each in drawn]
        reached("thumbnails written", id=pk)
    except NotDrawableError as error:
        return settle(pk, holder, [], [], seconds=round(monotonic() - began, 3), why_not=str(error))
    except DATABASE_AWAY:  # not the file's doing
        insist(lambda: hand_back(Thumbnailing, [pk], holder, "handed back"), until=began + lease().total_seconds())
        raise
    except Exception as error:  # the storage, the disk, or a defect of ours
        log.exception("thumbnailing broke", id=pk)
        if is_of_the_disk(error):
            return park(pk, holder, error)
        return refuse(Thumbnailing, pk, holder, words_for(error))
    word = settle(pk, holder, drawn, keys, seconds=round(monotonic() - began, 3))
    if word == LEASE_LOST:
        files.let_go(*keys)
    return word


def is_of_the_disk(error: Exception) -> bool:
    """Whether there is no room to write, which no file is to blame for."""
    cause = error.__cause__ if isinstance(error, files.StorageError) else error
    return isinstance(cause, OSError) and cause.errno in NO_ROOM


def park(pk: int, holder: Holder, error: Exception) -> str:
    """Back into the queue for a while, at nobody's cost."""
    release(Thumbnailing, pk, holder, "parked", status=Status.QUEUED, reason=words_for(error), later=breaker.LONGEST)
    return "parked"


def work_directory() -> Path:
    settings.UPLOAD_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(settings.UPLOAD_DIR)


def drawn_in(directory: Path, attachment: Attachment) -> list[Drawn]:
    """Have the program draw in the directory. NotDrawableError with its words, or with ours if it had to be ended."""
    with files.StoredFile(attachment.key) as file, (directory / "source").open("wb") as copy:
        shutil.copyfileobj(file, copy)
    seconds = min(DRAWING_SECONDS, DRAW_SHARE * lease().total_seconds())
    # The file by its name alone, so no message has a path of ours; and what is said goes to files, which are limited.
    command = [sys.executable, "-I", str(Path(drawing.__file__)), attachment.content_type, "source"]
    answer, complaints = directory / "answer", directory / "complaints"
    try:
        with answer.open("wb") as stdout, complaints.open("wb") as stderr:
            done = subprocess.run(
                command, cwd=directory, env={"PATH": os.defpath, "LANG": "C.UTF-8"}, stdin=subprocess.DEVNULL,
                stdout=stdout, stderr=stderr, timeout=seconds, check=False,
            )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NotDrawableError(f"drawing it takes longer than {seconds:g} s") from error
    code = done.returncode
    if code == drawing.NOT_DRAWABLE:
        raise NotDrawableError(sentence(beginning(answer)))
    if code == -signal.SIGXCPU:
        raise NotDrawableError(f"drawing it takes more than {drawing.MOST_CPU_SECONDS} s of processor time")
    if code in BROKEN:
        raise NotDrawableError(f"its decoder broke on it ({signal.Signals(-code).name})")
    if code:
        log.warning("drawing ended", code=code, said=beginning(complaints)[-500:])
        raise DrawingEndedError(f"drawing ended with {how_ended(code)}")
    return [Drawn(**each) for each in json.loads(beginning(answer))]


def beginning(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(LONGEST_ANSWER).decode(errors="replace")


def sentence(text: str) -> str:
    """In one line, and such as the database takes it."""
    return "".join(character for character in text.strip() if character.isprintable())[:500] or "nobody knows why"


def how_ended(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def words_for(error: Exception) -> str:
    """Without a path of ours, which is none of the reader's business."""
    if isinstance(error, files.StorageError):
        return f"the storage failed: {error}"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {text}"[:500]


def stored(path: Path) -> str:
    with path.open("rb") as file:
        return files.write(File(file))


def settle(pk: int, holder: Holder, drawn: list[Drawn], keys: list[str], *, seconds: float, why_not: str = "") -> str:
    """Write down what came of it; the file is ready, with thumbnails or without."""
    name = "not drawable" if why_not else "drawn"
    status = Status.FAILED if why_not else Status.DONE
    with files.let_go_on_error(*keys), transaction.atomic():
        attachment = locked_attachment(Thumbnailing, pk)
        is_ours = attachment is not None and release(
            Thumbnailing, pk, holder, name, status=status, reason=why_not, seconds=seconds, is_settled=True,
            facts={"seconds": seconds},
        )  # fmt: skip
        if attachment is None or not is_ours:
            return LEASE_LOST
        files.adopt(*keys)
        Thumbnail.objects.filter(attachment=attachment).delete()
        Thumbnail.objects.bulk_create([row_of(attachment, *each) for each in zip(drawn, keys, strict=True)])
        moved = Attachment.objects.filter(pk=attachment.pk, state=State.CLEAN).update(
            state=State.READY, history=noted("ready")
        )
    if moved:
        step("attachment", "ready", id=attachment.pk)
    reached("thumbnailing settled", id=pk)
    return name


def row_of(attachment: Attachment, drawn: Drawn, key: str) -> Thumbnail:
    return Thumbnail(
        attachment=attachment, size=drawn.size, width=drawn.width, height=drawn.height, bytes=drawn.bytes, key=key
    )
