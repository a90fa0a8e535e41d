"""Twenty thousand reminders while workers die.

One of three is killed every five seconds, and Redis emptied every twenty. Every reminder has to arrive, and every
message that came twice has to have its reason in a kill.
"""

import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle, pairwise

from tests.chaos import backlog
from tests.chaos.fleet import WORKERS, Fleet
from tests.chaos.ledger import Accepted, Handing, Ledger, Verdict
from tests.chaos.processes import children
from tests.waiting import eventually

REMINDERS = 20_000
KILL_EVERY, FLUSH_EVERY = 5.0, 20.0
DRAIN_SECONDS = 600.0

ENVIRON = {"DELIVERY_LEASE_SECONDS": "10", "DELIVERY_BATCH_SIZE": "50", "LOG_LEVEL": "WARNING"}
PEOPLE = [f"owner{number}" for number in range(10)]


@dataclass(frozen=True)
class Kill:
    worker: str
    pids: frozenset[int]
    at: float


@dataclass
class Outcome:
    verdict: Verdict
    kills: int
    flushes: int
    seconds: float
    """From the insert to the last message."""
    rest_seconds: float
    """From the last message until nothing was left to do."""
    unexplained: list[str] = field(default_factory=list)
    """Repeated messages that no kill explains."""

    @property
    def is_good(self) -> bool:
        return self.verdict.is_good and not self.unexplained

    @property
    def rate(self) -> float:
        return self.verdict.messages / self.seconds


class Killer:
    """Kills and empties from a thread, until it is told that it is over."""

    def __init__(self, fleet: Fleet) -> None:
        self.kills: list[Kill] = []
        self.flushes = 0
        self._fleet = fleet
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="killer")

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        workers, began = cycle(WORKERS), time.monotonic()
        while not self._over.wait(KILL_EVERY):
            self._kill(next(workers))
            if time.monotonic() - began > FLUSH_EVERY * (self.flushes + 1):
                with self._fleet.redis() as redis:
                    redis.flushall()
                self.flushes += 1

    def _kill(self, name: str) -> None:
        program = self._fleet[name]
        if pid := program.pid:
            pids = frozenset({pid, *children(pid)})
            program.signal(signal.SIGKILL)
            self.kills.append(Kill(name, pids, time.monotonic()))


def run(fleet: Fleet, *, number: int = REMINDERS, say: Callable[[str], None] = print) -> Outcome:
    """`fleet` has been started with ENVIRON."""
    fleet.add_users(PEOPLE)
    ledger, accepted = Ledger(), fleet.mail.accepted
    began = time.monotonic()
    backlog.put_in(fleet, ledger, prefix="kills", users=PEOPLE, number=number)
    say(f"{number} reminders put in")

    def have_all_arrived() -> bool:
        return len(accepted) >= number and not ledger.missing(accepted)

    with Killer(fleet) as killer:
        try:
            eventually(have_all_arrived, within=DRAIN_SECONDS, every=0.5)
        except AssertionError:
            say(f"only {len(accepted)} messages after {DRAIN_SECONDS:g} s")
    last = max((message.at for message in accepted), default=began)
    fleet.drain(ledger, within=60)
    rested = time.monotonic()
    explained = explain(accepted, fleet.handings(), killer.kills)
    for message_id, kill in explained.items():
        why = f"kill -9 of {kill.worker} {kill.at - began:.1f} s after the beginning" if kill else "nobody knows why"
        say(f"{message_id} came again: {why}")
    unexplained = [message_id for message_id, kill in explained.items() if kill is None]
    verdict = fleet.judge(ledger)
    return Outcome(verdict, len(killer.kills), killer.flushes, last - began, rested - last, unexplained)


def explain(accepted: list[Accepted], handings: list[Handing], kills: list[Kill]) -> dict[str, Kill | None]:
    """For each Message-ID that came again, the kill of who had sent it, between its first time and its next."""
    by_id: dict[str, list[Accepted]] = defaultdict(list)
    for message in accepted:
        by_id[message.message_id].append(message)
    return {
        message_id: kill_between(first, again, handings, kills)
        for message_id, times in by_id.items()
        for first, again in pairwise(times)
    }


def kill_between(first: Accepted, again: Accepted, handings: list[Handing], kills: list[Kill]) -> Kill | None:
    senders = {
        int(handing.by.rpartition(":")[2]): handing.text_sent_at
        for handing in handings
        if first.began_at <= handing.text_sent_at <= first.at
    }
    for kill in kills:
        if any(senders[pid] <= kill.at <= again.at for pid in kill.pids if pid in senders):
            return kill
    return None
