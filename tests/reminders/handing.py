"""One claimed message, handed over as a job does it."""

from collections import Counter
from dataclasses import dataclass
from math import inf
from time import monotonic

from reminders.delivering import Run
from work.claims import Holder


def hand_over(*batch: int, holder: Holder, seconds: float = 10.0) -> dict[str, int]:
    """What became of them, as `deliver_batch` counts it."""
    run = Run(Counter(), probing=False)
    try:
        run.hand_over_all(list(batch), holder, until=monotonic() + seconds)
    finally:
        run.finish()
    return dict(run.counts)


@dataclass
class Held:
    """A lease that lasts, and for so many seconds lets a message be handed over."""

    seconds: float = 10.0
    over_at: float = inf

    @property
    def hand_over_until(self) -> float:
        return monotonic() + self.seconds

    def confirm(self) -> None:
        """Nobody has changed their mind."""
