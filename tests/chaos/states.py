"""Servers and disks that are there, and cannot do what is asked: one state after the other.

For each row a reminder comes due each second, and people add tasks all the time. The state is caused and held, and
`/healthz/reminders` is asked twice a second; then it is healed, and what is due has to be told within a minute.

To add a row: write a context manager that causes the state on a running fleet and heals it, and put it into ROWS. Where
the state is one of the mail server, the fleet's is `fleet.mail`.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby

from tests.chaos.asking import WINDOW, Asking
from tests.chaos.fleet import PROCESSES, Fleet
from tests.chaos.ledger import Ledger, Verdict
from tests.silence import silent
from tests.small_disk import NEEDS, filled
from tests.waiting import eventually

HELD_SECONDS = 45.0
NAMED_WITHIN_SECONDS = 30.0
TOLD_WITHIN_SECONDS = 60.0
ADD_EVERY_SECONDS = 1.0
LOOK_EVERY_SECONDS = 0.5

SHORTENED = [
    "DELIVERY_LEASE_SECONDS", "DELIVERY_BATCH_SIZE", "DELIVERY_BACKOFF_SECONDS", "DELIVERY_BACKOFF_MAX_SECONDS",
    "DELIVERY_MAX_ATTEMPTS", "DELIVERY_REPEAT_SECONDS", "ATTACHMENT_LEASE_SECONDS", "ATTACHMENT_MAX_ATTEMPTS",
]  # fmt: skip
ENVIRON = dict.fromkeys(SHORTENED, "")
"""The defaults."""

PEOPLE = ["ann", "bob", "cem"]


@dataclass(frozen=True)
class Row:
    name: str
    cause: Callable[[Fleet], AbstractContextManager[None]]
    part: str
    """What `/healthz/reminders` has to name; "" if it has to stay green."""
    on_a_small_disk: bool = False
    """Whether the fleet's disks have to be small ones."""


@dataclass(frozen=True)
class Look:
    """What was down at a moment, counted in seconds since the state was caused; None if nobody answered."""

    at: float
    down: tuple[str, ...] | None


@dataclass
class Outcome:
    row: Row
    verdict: Verdict = field(default_factory=Verdict)
    looks: list[Look] = field(default_factory=list, repr=False)
    told_seconds: float = 0.0
    """From the healing until everything was told and nothing was left to do."""
    errors: list[str] = field(default_factory=list)
    left_out: str = ""

    @property
    def named_seconds(self) -> float | None:
        """How long it took until the part was named, and nothing else."""
        return next((look.at for look in self.looks if look.down == (self.row.part,)), None)

    @property
    def wrong(self) -> list[str]:
        wrong = list(self.errors)
        right = (self.row.part,) if self.row.part else ()
        said = [down for down, _ in groupby(look.down for look in self.looks)]
        if said not in ([right], [(), right]):
            wrong.append(f"health said {said}")
        if self.row.part and (self.named_seconds or 0.0) > NAMED_WITHIN_SECONDS:
            wrong.append(f"{self.row.part} was named after {self.named_seconds:.0f} s")
        if self.told_seconds > TOLD_WITHIN_SECONDS:
            wrong.append(f"everything was told {self.told_seconds:.0f} s after the healing")
        if not self.verdict.is_good:
            wrong.append(str(self.verdict))
        return wrong

    @property
    def is_good(self) -> bool:
        return bool(self.left_out) or not self.wrong


# The states


@contextmanager
def full_data_dir(fleet: Fleet) -> Iterator[None]:
    """The servers lie elsewhere. All processes are new, for one that has its memory already needs no more."""
    with filled(fleet.directory / "data"):
        for name in PROCESSES:
            fleet[name].signal(signal.SIGKILL)
        fleet.until_ready()
        yield


@contextmanager
def full_database(fleet: Fleet) -> Iterator[None]:
    """What finds room in a page or a segment that is there already is still written."""
    with filled(fleet.directory / "database"):
        yield


@contextmanager
def no_session_left(fleet: Fleet) -> Iterator[None]:
    """53300: others have all sessions that PostgreSQL gives."""
    fleet.sql("ALTER DATABASE taskapp CONNECTION LIMIT 1")
    end_sessions(fleet)
    try:
        yield
    finally:
        fleet.sql("ALTER DATABASE taskapp CONNECTION LIMIT -1")


@contextmanager
def read_only_sessions(fleet: Fleet) -> Iterator[None]:
    """PostgreSQL answers each write by 25006, as a server does that was a primary and is a standby now."""
    fleet.sql("ALTER ROLE taskapp SET default_transaction_read_only = on")
    end_sessions(fleet)
    try:
        yield
    finally:
        fleet.sql("SET default_transaction_read_only = off")
        fleet.sql("ALTER ROLE taskapp RESET default_transaction_read_only")
        end_sessions(fleet)


def end_sessions(fleet: Fleet) -> None:
    """All but the harness's."""
    fleet.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'taskapp' AND pid <> pg_backend_pid()"
    )


@contextmanager
def read_only_redis(fleet: Fleet) -> Iterator[None]:
    """It answers PING and takes no writes, as the replica that it has become in a failover."""
    with fleet.redis() as redis:
        redis.replicaof("127.0.0.1", "1")
        try:
            yield
        finally:
            redis.replicaof("NO", "ONE")


@contextmanager
def silent_database_host(fleet: Fleet) -> Iterator[None]:
    """The first host of DATABASE_URL is powered off, and the second is the one that writes. All processes are new."""
    with silent() as powered_off:
        with fleet.environment(DATABASE_URL=beside(fleet.environ["DATABASE_URL"], f"127.0.0.1:{powered_off}")):
            restart_all(fleet)
            yield
        restart_all(fleet)


def beside(url: str, host: str) -> str:
    """The URL with another host before its own."""
    before, at, after = url.rpartition("@")
    return f"{before}{at}{host},{after}"


def restart_all(fleet: Fleet) -> None:
    for name in PROCESSES:
        fleet[name].signal(signal.SIGKILL)
    fleet.until_ready()


@contextmanager
def slow_mail_server(fleet: Fleet) -> Iterator[None]:
    """It takes each message, and says so after 20 s: more than half of a lease."""
    fleet.mail.seconds_per_message = 20.0
    try:
        yield
    finally:
        fleet.mail.seconds_per_message = 0.0


@contextmanager
def poisonous_recipient(fleet: Fleet) -> Iterator[None]:
    """The mail server hangs up whenever one of the three is named."""
    fleet.mail.poisonous = {f"{PEOPLE[1]}@example.org"}
    try:
        yield
    finally:
        fleet.mail.poisonous = set()


ROWS = [
    Row("DATA_DIR is full", full_data_dir, "disk", on_a_small_disk=True),
    Row("PostgreSQL's disk is full", full_database, "database", on_a_small_disk=True),
    Row("PostgreSQL takes no writes", read_only_sessions, "database"),
    Row("PostgreSQL has no session left", no_session_left, "database"),
    Row("the database's first host is silent", silent_database_host, ""),
    Row("Redis takes no writes", read_only_redis, "broker"),
    Row("the mail server answers after 20 s", slow_mail_server, ""),
    Row("one recipient breaks each connection", poisonous_recipient, ""),
]


# How a row is run


class Background:
    """Does something again and again, in a thread, until it is told that it is over."""

    def __init__(self, work: Callable[[], None], *, every: float) -> None:
        self.errors: list[str] = []
        self._work, self._every = work, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="background")

    def __enter__(self) -> "Background":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _go_on(self) -> None:
        try:
            while not self._over.wait(self._every):
                self._work()
        except Exception as error:  # the row goes on, and is red
            self.errors.append(repr(error))


def run_row(fleet: Fleet, row: Row, number: int, *, held_seconds: float = HELD_SECONDS) -> Outcome:
    if row.on_a_small_disk and not fleet.has_small_disks:
        return Outcome(row, left_out=NEEDS)
    until_well(fleet)
    ledger, looks = Ledger(), []
    people = [Asking(fleet, ledger, f"state{number}-{name}", user=name) for name in PEOPLE]

    def look(since: float) -> None:
        down = fleet.down()
        looks.append(Look(time.monotonic() - since, None if down is None else tuple(down)))

    errors = []
    add_ahead(people[0], seconds=held_seconds)
    with Background(lambda: [person.add() for person in people] and None, every=ADD_EVERY_SECONDS) as adding:
        began = time.monotonic()
        try:
            with row.cause(fleet), Background(lambda: look(began), every=LOOK_EVERY_SECONDS) as looking:
                time.sleep(held_seconds)  # the outage itself, not a wait for something
            errors += looking.errors
        except AssertionError as failure:
            errors.append(str(failure))
        healed = time.monotonic()
        time.sleep(2 * ADD_EVERY_SECONDS)  # so that tasks are added afterwards, too
    fleet.drain(ledger, within=2 * TOLD_WITHIN_SECONDS)
    told_seconds = time.monotonic() - healed
    return Outcome(row, fleet.judge(ledger), looks, told_seconds, [*errors, *adding.errors])


def add_ahead(person: Asking, *, seconds: float) -> None:
    """Tasks of whose reminders one comes due each second from now on."""
    now = datetime.now(UTC)
    for second in range(int(seconds)):
        person.add(due_at=now + WINDOW + timedelta(seconds=second))


def until_well(fleet: Fleet) -> None:
    """Everything runs and has just been heard of, as it is when nothing was wrong for a while."""
    fleet.until_ready()
    eventually(lambda: fleet.down() == [], within=120)
    eventually(fleet.is_at_rest, within=60)


def run(
    fleet: Fleet, rows: list[Row] | None = None, *, outcomes: list[Outcome], say: Callable[[str], None] = print
) -> None:
    """Run the rows one after the other. `outcomes` has those that are finished, even if a later one fails."""
    fleet.add_users(PEOPLE)
    for number, row in enumerate(ROWS if rows is None else rows):
        outcome = run_row(fleet, row, number)
        outcomes.append(outcome)
        say(f"{'ok ' if outcome.is_good else 'RED'} {row.name}: {summary(outcome)}")
        for words in outcome.wrong if not outcome.is_good else ():
            say(f"    {words}")


def summary(outcome: Outcome) -> str:
    if outcome.left_out:
        return f"left out: {outcome.left_out}"
    named = "" if outcome.named_seconds is None else f"named after {outcome.named_seconds:.1f} s, "
    verdict = outcome.verdict
    return f"{named}{verdict.received} of {verdict.due} told, the last {outcome.told_seconds:.1f} s after the healing"
