"""What is due, told by what the harness asked for and was granted, against what the mail server accepted.

The service's own tables have no say in it, with one exception: whether a delivery bears the mark of an unknown outcome,
which excuses a repeated message.

    lost          the last state that was granted for a task wants to be announced, and no message announces it
    misled        one does, but a later message announced another due date
    doubled       a Message-ID was accepted again, without that mark; or a due date was announced by more messages than
                  it was set times
    too late      a message announced what a change, granted before its last check began, had taken back
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock

SLACK_SECONDS = 0.001
"""Two clocks readings in two processes: how far they may be out of order."""


@dataclass(frozen=True)
class Accepted:
    """A message that the mail server has taken. Times are those of time.monotonic(), which is one for the machine."""

    message_id: str
    word: str
    due: str
    to: str
    began_at: float
    """When its MAIL command came."""
    at: float


@dataclass(frozen=True)
class State:
    """What a task was made. `due` is the due date in words; it is to be announced while the task is open."""

    due: str
    is_open: bool
    asked_at: float
    granted_at: float

    @property
    def announces(self) -> str:
        return self.due if self.is_open else ""


@dataclass(frozen=True)
class Handing:
    """That a worker had sent the text of a message; from the trace."""

    delivery: int
    checking_at: float
    text_sent_at: float
    by: str


@dataclass(frozen=True)
class Row:
    """The one look into the service's table: which delivery a Message-ID is, and whether it bears the mark."""

    delivery: int
    is_marked: bool


@dataclass
class Verdict:
    due: int = 0
    received: int = 0
    """How many of those that are due have been announced."""
    messages: int = 0
    suppressed: int = 0
    """How many tasks ended so that nothing is to be announced."""
    repeated: int = 0
    """Repeated Message-IDs whose delivery bears the mark."""
    lost: list[str] = field(default_factory=list)
    misled: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    too_late: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.misled or self.doubled or self.too_late)


def in_words(due_at: datetime) -> str:
    """As the messages say it."""
    return f"{due_at:%a} {due_at.day} {due_at:%b %Y, %H:%M} (UTC)"


class Ledger:
    """What was granted, task by task. Every task has a word of its own in its title, every due date its own minute."""

    def __init__(self) -> None:
        self._states: dict[str, list[State]] = {}
        self._times_set: Counter[tuple[str, str]] = Counter()
        self._may_fail: set[str] = set()
        self._lock = Lock()

    def grant(
        self, word: str, *, due: str, is_open: bool = True, asked_at: float, granted_at: float | None = None
    ) -> None:
        """The service has said yes, now or then. `due` is empty where nobody is to be told yet."""
        granted_at = time.monotonic() if granted_at is None else granted_at
        with self._lock:
            states = self._states.setdefault(word, [])
            if not states or states[-1].due != due:
                self._times_set[word, due] += 1
            states.append(State(due, is_open, asked_at, granted_at))

    @contextmanager
    def change(self, word: str, *, due: str | None = None, is_open: bool | None = None) -> Iterator[None]:
        """Around a request that changes a task: what is not given stays as it was."""
        last, asked_at = self.last(word), time.monotonic()
        yield
        self.grant(
            word, due=last.due if due is None else due, is_open=last.is_open if is_open is None else is_open,
            asked_at=asked_at,
        )  # fmt: skip

    def excuse_failure_of(self, word: str) -> None:
        """Its recipient is one that the mail server refuses for good."""
        self._may_fail.add(word)

    @property
    def excused(self) -> int:
        return len(self._may_fail)

    def last(self, word: str) -> State:
        return self._states[word][-1]

    def wanted(self) -> dict[str, str]:
        """What has to have been announced in the end: the due date, by task."""
        with self._lock:
            lasts = {word: states[-1].announces for word, states in self._states.items()}
        return {word: due for word, due in lasts.items() if due and word not in self._may_fail}

    def missing(self, accepted: Iterable[Accepted]) -> list[str]:
        """Tasks of which the last that was told is not what is wanted."""
        told = {message.word: message.due for message in accepted}
        return [word for word, due in self.wanted().items() if told.get(word) != due]

    def judge(self, accepted: list[Accepted], handings: list[Handing], rows: dict[str, Row]) -> Verdict:
        """Compare. `accepted` may hold messages of tasks that are not in this ledger; they are left out."""
        own = [message for message in accepted if message.word in self._states]
        wanted = self.wanted()
        announced = {(message.word, message.due) for message in own}
        lost = [f"{word}: {due}" for word, due in wanted.items() if (word, due) not in announced]
        verdict = Verdict(due=len(wanted), received=len(wanted) - len(lost), messages=len(own), lost=lost)
        told = {message.word: message.due for message in own}
        verdict.misled = [
            f"{word}: {due} is due, but the last message said {told[word]}"
            for word, due in wanted.items()
            if (word, due) in announced and told[word] != due
        ]
        verdict.suppressed = len(self._states) - len(wanted) - len(self._may_fail)
        self._count_repeats(own, rows, verdict)
        verdict.too_late = list(self._announced_too_late(own, handings, rows))
        return verdict

    def _count_repeats(self, own: list[Accepted], rows: dict[str, Row], verdict: Verdict) -> None:
        ids: dict[tuple[str, str], set[str]] = defaultdict(set)
        for message_id, times in Counter(message.message_id for message in own).items():
            if times > 1 and rows[message_id].is_marked:
                verdict.repeated += times - 1
            elif times > 1:
                verdict.doubled.append(f"{message_id} came {times} times, and bears no mark")
        for message in own:
            ids[message.word, message.due].add(message.message_id)
        for about, distinct in ids.items():
            if len(distinct) > self._times_set[about]:
                words = f"{about[0]}: {about[1]} was set {self._times_set[about]} times, but announced by"
                verdict.doubled.append(f"{words} {len(distinct)} messages")

    def _announced_too_late(self, own: list[Accepted], handings: list[Handing], rows: dict[str, Row]) -> Iterator[str]:
        by_delivery: dict[int, list[Handing]] = defaultdict(list)
        for handing in handings:
            by_delivery[handing.delivery].append(handing)
        for message in own:
            can_be = [
                handing
                for handing in by_delivery[rows[message.message_id].delivery]
                if message.began_at - SLACK_SECONDS <= handing.text_sent_at <= message.at + SLACK_SECONDS
            ]
            if not can_be:
                yield f"{message.word}: {message.due} was announced by a message that no worker says it sent"
            elif all(not self._may_announce(message, handing) for handing in can_be):
                yield f"{message.word}: {message.due} was announced after it had been taken back"

    def _may_announce(self, message: Accepted, handing: Handing) -> bool:
        """Whether the check may have seen a state that announces this: the last that was granted before it began,
        or any that was asked for before the message was there."""
        states = self._states[message.word]
        granted = [number for number, state in enumerate(states) if state.granted_at <= handing.checking_at]
        first = granted[-1] if granted else 0
        return any(state.announces == message.due and state.asked_at <= message.at for state in states[first:])


def read_trace(path: Path) -> list[Handing]:
    """Written by armed.py."""
    handings = []
    for line in path.read_text().splitlines():
        delivery, checking_at, text_sent_at, by = line.split()
        handings.append(Handing(int(delivery), float(checking_at), float(text_sent_at), by))
    return handings
