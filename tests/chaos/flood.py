"""Two hundred thousand reminders due at once, nearly all of one person, and a slow mail server.

It does not drain. What is measured is whether the backlog stays where it belongs, in PostgreSQL: the memory of each
process, what waits in Redis, and how long fifty other people wait for their one message.
"""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos import backlog
from tests.chaos.asking import Asking
from tests.chaos.fleet import PROCESSES, Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.processes import children, resident_bytes
from tests.waiting import eventually

REMINDERS = 200_000
SMALL_OWNERS = 50
SECONDS_PER_MESSAGE = 0.02
PAUSE_BETWEEN_OWNERS = 0.8
SECONDS = 60.0
"""How long it is watched at least."""

MOST_IN_REDIS = 64 + 8
MOST_GROWTH = 150 * 2**20
LONGEST_WAIT = 30.0

ENVIRON = {"DELIVERY_LEASE_SECONDS": "30", "DELIVERY_BATCH_SIZE": "50", "LOG_LEVEL": "WARNING"}


@dataclass
class Outcome:
    number: int
    seconds: float
    messages: int
    most_in_redis: int
    growth: dict[str, int]
    """Bytes by kind of process: the most that one of them grew."""
    waits: list[float]
    """Seconds of each small owner, the longest last; one whose message has not come has waited until the end."""
    wrong: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.wrong

    @property
    def median_wait(self) -> float:
        return statistics.median(self.waits)


class Watch:
    """Looks every second at memory and at Redis, from a thread."""

    def __init__(self, fleet: Fleet) -> None:
        self.most_in_redis = 0
        self._fleet = fleet
        self._sizes: dict[tuple[str, int], list[int]] = defaultdict(list)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="watch")

    def __enter__(self) -> "Watch":
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def growth(self) -> dict[str, int]:
        kinds: dict[str, int] = defaultdict(int)
        for (kind, _), sizes in self._sizes.items():
            kinds[kind] = max(kinds[kind], max(sizes) - sizes[0])
        return dict(kinds)

    def _work(self) -> None:
        while not self._over.wait(1):
            self._look()

    def _look(self) -> None:
        with self._fleet.redis() as redis:
            waiting = sum(int(redis.llen(queue)) for queue in ("celery", "deliver"))
        self.most_in_redis = max(self.most_in_redis, waiting)
        for name in PROCESSES:
            pid, kind = self._fleet[name].pid, name.split("#")[0]
            for one, label in ((pid, kind), *((child, f"{kind}, child") for child in children(pid))):
                if size := resident_bytes(one):
                    self._sizes[label, one].append(size)


def run(fleet: Fleet, *, number: int = REMINDERS, say: Callable[[str], None] = print) -> Outcome:
    """`fleet` has been started with ENVIRON."""
    owners = [f"small{one}" for one in range(SMALL_OWNERS)]
    fleet.add_users(["large", *owners])
    warm_up(fleet)
    ledger, small = Ledger(), Ledger()
    fleet.mail.seconds_per_message = SECONDS_PER_MESSAGE
    before = len(fleet.mail.accepted)
    with Watch(fleet) as watch:
        backlog.put_in(fleet, ledger, prefix="flood", users=["large"], number=number)
        began = time.monotonic()
        say(f"{number} reminders put in")
        for owner in owners:
            Asking(fleet, small, owner, user=owner).add()
            time.sleep(PAUSE_BETWEEN_OWNERS)  # the load itself, not a wait for something
        try:
            eventually(lambda: not small.missing(fleet.mail.accepted), within=LONGEST_WAIT, every=0.5)
        except AssertionError:
            say(f"{len(small.missing(fleet.mail.accepted))} small owners still wait")
        time.sleep(max(0.0, began + SECONDS - time.monotonic()))
    ended = time.monotonic()
    came = {message.word: message.at for message in fleet.mail.accepted}
    waits = sorted(came.get(word, ended) - small.last(word).granted_at for word in small.wanted())
    outcome = Outcome(
        number, ended - began, len(fleet.mail.accepted) - before, watch.most_in_redis, watch.growth, waits
    )  # fmt: skip
    outcome.wrong = list(faults_of(outcome))
    return outcome


def warm_up(fleet: Fleet) -> None:
    """What is loaded with the first messages is no growth."""
    ledger = Ledger()
    Asking(fleet, ledger, "warm-up", user="large").add_many(100)
    fleet.drain(ledger, within=60)


def faults_of(outcome: Outcome) -> list[str]:
    wrong = []
    if outcome.most_in_redis > MOST_IN_REDIS:
        wrong.append(f"{outcome.most_in_redis} messages were in Redis at once")
    wrong += [
        f"a process of {kind} grew by {size / 2**20:.0f} MB"
        for kind, size in outcome.growth.items()
        if size > MOST_GROWTH
    ]
    if outcome.waits[-1] > LONGEST_WAIT:
        wrong.append(f"somebody waited for {outcome.waits[-1]:.0f} s behind another person's backlog")
    return wrong
