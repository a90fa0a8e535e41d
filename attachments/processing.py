"""One run of `attachments.process`: everything between an uploaded file and one that is ready.

Safe to run at any time, twice at once, or by hand: each part moves rows by compare-and-set, and what one run leaves,
the next finds. A run takes one file after the other for a second, and rings for the next: other jobs get their turn.
"""

from collections import Counter
from time import monotonic

from django.db.models.functions import Now

from attachments import scanning, slots, thumbnailing
from attachments.erasing import erase
from attachments.models import Scan, Thumbnailing
from attachments.recovering import recover
from work import bell, breaker, stopping

BELL = "attachments.process"
QUEUE = "files"

GO_ON_SECONDS = 1.0


def process(*, go_on: float = GO_ON_SECONDS) -> dict[str, int]:
    """Recover, erase, scan and draw; and go on with that for so many seconds.

    Returns {"recovered", "erased", and how many stages came to each end}.
    """
    bell.answer(BELL)
    counts: Counter[str] = Counter({"recovered": recover(), "erased": erase()})
    with slots.slot() as has_slot:
        until = monotonic() + go_on
        while has_slot and not stopping.is_asked():
            # Drawing first: it ends what has come furthest.
            is_idle = not (thumbnailing.draw_next(counts) or scanning.scan_next(counts))
            if is_idle or monotonic() >= until:
                break
    if has_slot:
        ring()
    return dict(counts)


def ring() -> int:
    """Send a message for each stage that can go now, up to as many as one worker takes at a time; return how many."""
    due = Thumbnailing.objects.filter(status=Thumbnailing.Status.QUEUED, not_before__lte=Now())
    most = slots.most()
    waiting = due[:most].count()
    if waiting < most and not breaker.is_open(scanning.SCANNER):
        scans = Scan.objects.filter(status=Scan.Status.QUEUED, not_before__lte=Now())
        waiting += scans[: most - waiting].count()
    return bell.ring(BELL, queue=QUEUE, times=waiting) if waiting else 0
