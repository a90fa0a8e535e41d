"""What the harness asks for over HTTP, written into the ledger once it is granted."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger, in_words

WINDOW = timedelta(hours=24)
"""REMINDER_WINDOW_HOURS, as the fleet has it: who is due later than that is told later."""

MINUTES = 1200


@dataclass
class Asking:
    """One person's requests. The word in a task's title is <prefix>-<n>."""

    fleet: Fleet
    ledger: Ledger
    prefix: str
    user: str = "ann"

    def __post_init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._dues: dict[str, datetime] = {}
        self._began_at = datetime.now(UTC).replace(second=0, microsecond=0)
        self._due_dates = 0

    @property
    def words(self) -> list[str]:
        return list(self._ids)

    def next_due(self, *, hours: float = 3) -> datetime:
        """A minute that none of this person's tasks has been due at, until all that are soon enough have been used."""
        self._due_dates += 1
        return self._began_at + timedelta(hours=hours, minutes=self._due_dates % MINUTES)

    def add(self, *, due_at: datetime | None = None, to_be_told: bool = True) -> str:
        word, due_at = f"{self.prefix}-{len(self._ids)}", due_at or self.next_due()
        asked_at = time.monotonic()
        body = {"title": f"{word} is due", "due_at": due_at.isoformat(), "timezone": "UTC"}
        task = self.fleet.api(self.user, "POST", "tasks/", body, **{"Idempotency-Key": word})
        self._ids[word], self._dues[word] = task["id"], due_at
        self.ledger.grant(word, due=in_words(due_at) if to_be_told else "", asked_at=asked_at)
        return word

    def add_many(self, count: int, *, hours: float = 3) -> list[str]:
        to_be_told = timedelta(hours=hours) < WINDOW
        return [self.add(due_at=self.next_due(hours=hours), to_be_told=to_be_told) for _ in range(count)]

    def id_of(self, word: str) -> int:
        return self._ids[word]

    def due_at(self, word: str) -> datetime:
        return self._dues[word]

    def move(self, word: str, due_at: datetime) -> None:
        with self.ledger.change(word, due=in_words(due_at)):
            self._ask("PATCH", word, body={"due_at": due_at.isoformat()})
        self._dues[word] = due_at

    def complete(self, word: str) -> None:
        with self.ledger.change(word, is_open=False):
            self._ask("POST", word, "complete/")

    def reopen(self, word: str) -> None:
        with self.ledger.change(word, is_open=True):
            self._ask("PATCH", word, body={"status": "todo"})

    def delete(self, word: str) -> None:
        with self.ledger.change(word, is_open=False):
            self._ask("DELETE", word)

    def restore(self, word: str) -> None:
        with self.ledger.change(word, is_open=True):
            self._ask("POST", word, "restore/")

    def _ask(self, method: str, word: str, action: str = "", body: dict[str, str] | None = None) -> None:
        self.fleet.api(self.user, method, f"tasks/{self._ids[word]}/{action}", body)
