"""One run of `attachments.process`: everything between an uploaded file and one that is ready.

Safe to run at any time, twice at once, or by hand: each part moves rows by compare-and-set, and what one run leaves,
the next finds. A run takes one file after the other for a second, and rings for the next: other jobs get their turn.
"""

from collections import Counter, deque
from collections.abc import Callable
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

_stages: deque[Callable[[Counter[str]], bool]] = deque([thumbnailing.draw_next, scanning.scan_next])
"""Whose turn it is in this process."""


def process(*, go_on: float = GO_ON_SECONDS) -> dict[str, int]:
    """Recover, erase, scan and draw; and go on with that for so many seconds.

    Returns {"recovered", "erased", and how many stages came to each end}.
    """
    bell.answer(BELL)
    counts: Counter[str] = Counter({"recovered": recover(), "erased": 0})
    with slots.slot() as has_slot:
        if has_slot:
            counts["erased"] = erase()
            work_off(counts, until=monotonic() + go_on)
    if has_slot:
        ring()
    return dict(counts)


def work_off(counts: Counter[str], *, until: float) -> None:
    """One file after the other. The stages take turns, from one run to the next: neither waits for the other."""
    idle = 0
    while idle < len(_stages) and not stopping.is_asked():
        is_done = _stages[0](counts)
        _stages.rotate(-1)
        idle = 0 if is_done else idle + 1
        if is_done and monotonic() >= until:
            break


def ring() -> int:
    """Send a message for each stage that can go now, up to as many as one worker takes at a time; return how many."""
    due = Thumbnailing.objects.filter(status=Thumbnailing.Status.QUEUED, not_before__lte=Now())
    most = slots.most()
    waiting = due.order_by("not_before", "pk")[:most].count()  # in the order of the index, so that it is searched
    if waiting < most and not breaker.is_open(scanning.SCANNER):
        scans = Scan.objects.filter(status=Scan.Status.QUEUED, not_before__lte=Now())
        waiting += scans.order_by("not_before", "pk")[: most - waiting].count()
    return bell.ring(BELL, queue=QUEUE, times=waiting) if waiting else 0
