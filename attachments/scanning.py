"""The first stage: from an uploaded file to a verdict. Until there is one, nobody can fetch the file.

    begin      the attachment is `scanning`.
    look_into  the file goes to the scanner, and is hashed once more on the way. No transaction is open; a total
               deadline, under half the lease, ends a scanner that dribbles.
    settle     compare-and-set on the lease's token, and in the same transaction the attachment's new state and its
               next stage.

What the scanner's being away means, no file bears: after three failures a breaker parks the queue, and one scan at a
time probes. A file on which the scanner breaks off while it answers about others is the one that bears it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic

import structlog
from django.conf import settings
from django.db import transaction

from attachments import clamd
from attachments.clamd import Answer, ScannerUnavailableError
from attachments.files import StorageError, StoredFile
from attachments.kinds import DRAWABLE
from attachments.models import Attachment, Scan, Stage, Thumbnailing
from work import breaker
from work.backoff import Patience
from work.breaker import Admission
from work.claims import Holder, Turn, claim, claim_alone, held, release
from work.failpoints import reached
from work.step import clock, noted, step

log = structlog.get_logger("attachments")

SCANNER = "virus scanner"
"""The name of its breaker."""

SCAN_SHARE = 0.4
"""What part of a lease scanning may take."""

VERSION_SECONDS = 2.0

NOT_CONFIGURED = "no virus scanner is configured: set CLAMD_URL, or SCAN_POLICY=off to do without one"

turn = Turn(by="owner_id")
"""Whose turn it is in this process."""


class FileDamagedError(Exception):
    """The stored file is not what was uploaded."""


def scan_next(counts: "Counter[str]") -> bool:
    """Claim one scan, and bring it to an end or back into the queue. False if none is due, or the scanner is parked."""
    is_wanted = settings.SCAN_POLICY != "off"
    admission = breaker.admit(SCANNER, probe_takes=lease()) if is_wanted else Admission.ALL
    if admission is Admission.NONE:
        return False
    is_probe = admission is Admission.PROBE
    holder = Holder()
    taken = claim_alone(Scan, holder, lease=lease()) or claim(Scan, holder, limit=1, lease=lease(), turn=turn)
    for pk in taken:
        counts[scan(pk, holder, is_probe=is_probe)] += 1
    if is_probe and not taken:
        visit()
    return bool(taken)


def visit() -> None:
    """See whether the scanner is back, while there is nothing to scan."""
    try:
        clamd.version(address(), seconds=VERSION_SECONDS)
    except ScannerUnavailableError as error:
        breaker.trip(SCANNER, str(error), probing=True)
    else:
        # Which says little, if it broke off while it had a file; unless there is none that could show more.
        breaker.reached(SCANNER, is_idle=not Scan.objects.filter(status=Scan.QUEUED).exists())


def scan(pk: int, holder: Holder, *, is_probe: bool) -> str:
    """Bring one claimed scan to an end or back into the queue; return the word for what became of it."""
    attachment = begin(pk, holder)
    if attachment is None:
        return "left alone"
    began = monotonic()
    try:
        answer, scanner = look_into(attachment)
    except ScannerUnavailableError as error:
        log.warning("scanner unavailable", at=settings.CLAMD, error=str(error), id=pk)
        word, is_scanners = park(pk, holder, error)
        if is_scanners:
            breaker.trip(SCANNER, str(error), carrying=error.carrying, probing=is_probe)
        return word
    except (StorageError, FileDamagedError) as error:
        breaker.reached(SCANNER)  # its version was asked for before the file was opened
        return refuse(Scan, pk, holder, f"the stored file cannot be read: {error}")
    except Exception as error:  # a defect of ours with this one file must not stop the others
        log.exception("scan broke", id=pk)
        return refuse(Scan, pk, holder, f"internal error: {type(error).__name__}")
    if answer is not None:
        breaker.close(SCANNER, accepted=True)
    reached("scan answered", id=pk)
    return settle(pk, holder, answer, scanner=scanner, seconds=round(monotonic() - began, 3))


def begin(pk: int, holder: Holder) -> Attachment | None:
    """Show that somebody is at it; None if the attachment was deleted, or the lease is lost."""
    with transaction.atomic():
        attachment = locked_attachment(Scan, pk)
        if attachment is None or not held(Scan, pk, holder).update(began_at=clock()):
            return None
        Attachment.objects.filter(pk=attachment.pk, state=Attachment.State.UPLOADED).update(
            state=Attachment.State.SCANNING, history=noted("scanning")
        )
    reached("scan begun", id=pk)
    return attachment


def locked_attachment(stage: type[Stage], pk: int) -> Attachment | None:
    """The attachment of a stage, locked; before the stage itself, as everywhere."""
    return (
        Attachment.objects.select_for_update(no_key=True, of=["self"])
        .filter(pk__in=stage._default_manager.filter(pk=pk).values("attachment"), deleted_at=None)
        .first()
    )


def look_into(attachment: Attachment) -> tuple[Answer | None, str]:
    """What the scanner says, None where none is wanted, and which it is."""
    if settings.SCAN_POLICY == "off":
        return None, ""
    where = address()
    scanner = clamd.version(where, seconds=VERSION_SECONDS)
    with StoredFile(attachment.key) as file:
        content = Hashed(file)
        answer = clamd.scan(where, content, seconds=SCAN_SHARE * lease().total_seconds())
    if answer.is_clean and content.sha256 != attachment.sha256:
        raise FileDamagedError("it is not what was uploaded, by its SHA-256")
    return answer, scanner


def address() -> clamd.Address:
    if settings.CLAMD is None:
        raise ScannerUnavailableError(NOT_CONFIGURED)
    return clamd.Address(**settings.CLAMD)


class Hashed:
    """The content of a file, a chunk at a time, and the SHA-256 of what has passed."""

    def __init__(self, file: StoredFile) -> None:
        self._file, self._hash = file, hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._file.read(clamd.CHUNK):
            self._hash.update(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def settle(pk: int, holder: Holder, answer: Answer | None, *, scanner: str, seconds: float) -> str:
    """Write the verdict down, move the attachment on, and queue its next stage."""
    verdict, words = judged(answer)
    with transaction.atomic():
        attachment = locked_attachment(Scan, pk)
        is_ours = attachment is not None and release(
            Scan, pk, holder, str(verdict), status=Scan.Status.DONE, reason=words, verdict=verdict,
            found=answer.found if answer else "", scanner=scanner, seconds=seconds,
            facts={"seconds": seconds, **({"scanner": scanner} if scanner else {})},
        )  # fmt: skip
        if attachment is None or not is_ours:
            return "lease lost"
        state = next_state(attachment, verdict)
        if state == Attachment.State.CLEAN:
            owner_id = attachment.task.owner_id
            Thumbnailing.objects.bulk_create(
                [Thumbnailing(attachment=attachment, owner_id=owner_id)], ignore_conflicts=True
            )
        Attachment.objects.filter(pk=attachment.pk).update(
            state=state, reason=words, is_untold=state == Attachment.State.INFECTED,
            history=noted(str(state), **({"reason": words} if words else {})),
        )  # fmt: skip
    step("attachment", str(state), id=attachment.pk, reason=words)
    reached("scan settled", id=pk)
    return str(verdict)


def judged(answer: Answer | None) -> tuple[Scan.Verdict, str]:
    """The verdict behind an answer, and why."""
    if answer is None:
        return Scan.Verdict.SKIPPED, "not scanned: SCAN_POLICY=off"
    if answer.is_clean:
        return Scan.Verdict.CLEAN, ""
    return (Scan.Verdict.INFECTED, answer.found) if answer.found else (Scan.Verdict.UNSCANNABLE, answer.why_not)


def next_state(attachment: Attachment, verdict: Scan.Verdict) -> Attachment.State:
    if verdict == Scan.Verdict.INFECTED:
        return Attachment.State.INFECTED
    if verdict == Scan.Verdict.UNSCANNABLE:
        return Attachment.State.UNSCANNABLE
    is_to_be_drawn = (
        attachment.content_type in DRAWABLE
        and not Thumbnailing.objects.filter(
            attachment=attachment, status__in=[Thumbnailing.Status.DONE, Thumbnailing.Status.FAILED]
        ).exists()
    )
    return Attachment.State.CLEAN if is_to_be_drawn else Attachment.State.READY


def refuse(stage: type[Stage], pk: int, holder: Holder, text: str) -> str:
    """An attempt is spent: later, with backoff; or never, which `recovering` tells the attachment."""
    attempts = (stage._default_manager.filter(pk=pk).values_list("attempts", flat=True).first() or 0) + 1
    delay = patience().after(attempts)
    status = stage.FAILED if delay is None else stage.QUEUED
    name = "failed" if delay is None else "deferred"
    release(stage, pk, holder, name, status=status, reason=text, later=delay, spends_attempt=True)
    return name


def park(pk: int, holder: Holder, error: ScannerUnavailableError) -> tuple[str, bool]:
    """The scanner is away: back into the queue, at nobody's cost, until the breaker's next probe.

    A file that it had lets others go first. Where it broke off on that file before and has answered about others since,
    it is the file's own doing: that is an attempt. Returns the word, and whether the scanner is to blame.
    """
    if not error.carrying:
        release(Scan, pk, holder, "parked", status=Scan.Status.QUEUED, reason=str(error))
        return "parked", True
    broken_before = Scan.objects.filter(pk=pk).values_list("broke_at", flat=True).first()
    if broken_before is not None and breaker.accepted_since(SCANNER, broken_before):
        return refuse(Scan, pk, holder, str(error)), False
    broke_at = breaker.broke(SCANNER)
    later = patience().first
    release(
        Scan, pk, holder, "parked", status=Scan.Status.QUEUED, reason=str(error), later=later, broke_at=broke_at,
    )  # fmt: skip
    return "parked", True


def lease() -> timedelta:
    return timedelta(seconds=settings.ATTACHMENT_LEASE_SECONDS)


def patience() -> Patience:
    return Patience(
        attempts=settings.ATTACHMENT_MAX_ATTEMPTS, first=timedelta(seconds=5), longest=timedelta(minutes=10)
    )
