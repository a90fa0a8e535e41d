"""Every failpoint, and what becomes of twenty reminders when the process that comes there is killed.

One row at a time: the fleet is at rest, the point is armed, work is given, the process dies at the point, the
supervisor starts it again, and everything drains. Then the mail server's book is compared with the ledger.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg

from tests.chaos.armory import FREEZE, KILL_CHILD, KILL_GROUP, Shot
from tests.chaos.asking import Asking
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger, Verdict, in_words
from tests.chaos.mail_server import Mood
from tests.waiting import eventually

SWEEP, DELIVER = "reminders.send_due_soon", "reminders.deliver"
TASKS = 20
NO_SUCH_USER = "nobody"
DRAIN_SECONDS = 45.0
SHOT_SECONDS = 25.0


class Case:
    """One row while it runs."""

    def __init__(self, fleet: Fleet, row: "Row", number: int) -> None:
        self.fleet, self.row, self.mail = fleet, row, fleet.mail
        self.ledger = Ledger()
        self.asking = Asking(fleet, self.ledger, f"row{number}")

    def arm(self) -> None:
        self.fleet.armory.arm(self.row.point, hit=self.row.hit, action=self.row.action)

    def until_shot(self, point: str = "") -> Shot:
        point = point or self.row.point
        shot = eventually(lambda: self.fleet.armory.shot(point), within=SHOT_SECONDS, every=0.02)
        if shot.action != FREEZE:
            self.fleet.until_dead(shot.pid)
        return shot

    def until_refused(self, code: str, times: int) -> None:
        before = self.mail.refused[code]
        eventually(lambda: self.mail.refused[code] - before >= times, within=SHOT_SECONDS)

    def until_announced(self) -> None:
        eventually(lambda: not self.ledger.missing(self.mail.accepted), within=DRAIN_SECONDS, every=0.05)

    def until_at_rest(self) -> None:
        eventually(self.fleet.is_at_rest, within=DRAIN_SECONDS)


Scenario = Callable[[Case], None]


@dataclass(frozen=True)
class Row:
    point: str
    scenario: Scenario
    hit: int = 1
    action: str = KILL_GROUP
    note: str = ""

    def __str__(self) -> str:
        return f"{self.point}, {self.note}" if self.note else self.point


@dataclass
class Outcome:
    row: Row
    shot: Shot | None
    verdict: Verdict
    recovery_seconds: float
    """From the kill to the last message that was due; less than 0 if all had been there before."""
    error: str = ""

    @property
    def is_good(self) -> bool:
        return self.shot is not None and not self.error and self.verdict.is_good


# What is asked of the fleet, so that it comes to a point


def due_tasks(case: Case) -> None:
    case.arm()
    case.asking.add_many(TASKS)


def in_a_mood(mood: Mood) -> Scenario:
    def scenario(case: Case) -> None:
        case.mail.be(mood)
        case.arm()
        case.asking.add_many(TASKS)
        case.until_shot()

    return scenario


def after_a_mood(mood: Mood) -> Scenario:
    """The mail server is well again, which a probe finds out."""

    def scenario(case: Case) -> None:
        case.mail.be(mood)
        case.fleet.armory.arm("transport parked", action="nothing")
        case.asking.add_many(TASKS)
        eventually(lambda: case.fleet.armory.shot("transport parked"), within=SHOT_SECONDS)
        case.arm()
        case.mail.be(Mood.WELL)

    return scenario


def refused_for_good(case: Case) -> None:
    case.mail.no_such_user.add(f"{NO_SUCH_USER}@example.org")
    case.arm()
    for _ in range(TASKS // 2):
        case.asking.add()
    other = Asking(case.fleet, case.ledger, f"{case.asking.prefix}-refused", user=NO_SUCH_USER)
    for word in other.add_many(TASKS // 2):
        case.ledger.excuse_failure_of(word)


def done_in_time(case: Case) -> None:
    """Half of the tasks are done while their messages wait for a later attempt."""
    hold_back(case)
    case.arm()
    for word in case.asking.words[: TASKS // 2]:
        case.asking.complete(word)
    case.mail.be(Mood.WELL)


def reopened(case: Case) -> None:
    """The half that was done is opened again after its messages were suppressed."""
    hold_back(case)
    for word in case.asking.words[: TASKS // 2]:
        case.asking.complete(word)
    case.mail.be(Mood.WELL)
    case.until_at_rest()
    case.arm()
    for word in case.asking.words[: TASKS // 2]:
        case.asking.reopen(word)


def locked_while_done(case: Case) -> None:
    """Somebody holds the tasks that were done, when their messages are to be suppressed."""
    hold_back(case, refusals=3 * TASKS)
    done = case.asking.words[: TASKS // 2]
    for word in done:
        case.asking.complete(word)
    with locked(case.fleet, [case.asking.id_of(word) for word in done]):
        case.arm()
        case.mail.be(Mood.WELL)
        case.until_shot()


def hold_back(case: Case, *, refusals: int = TASKS) -> None:
    """Twenty tasks whose messages the mail server wants later."""
    case.mail.be(Mood.LATER)
    case.asking.add_many(TASKS)
    case.until_refused("451", refusals)


@contextmanager
def locked(fleet: Fleet, tasks: list[int]) -> Iterator[None]:
    with psycopg.connect(fleet.environ["DATABASE_URL"]) as connection:
        connection.execute("SELECT 1 FROM taskapp_task WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [tasks])
        yield


def after_a_kill(case: Case) -> None:
    """A worker has died with a batch in its hands."""
    case.fleet.armory.arm("delivery claimed")
    case.arm()
    case.asking.add_many(TASKS)
    case.until_shot("delivery claimed")


def thawed(case: Case) -> None:
    """A worker slept for longer than its lease, and another one did its work."""
    case.fleet.armory.arm("delivery checked", hit=2, action=FREEZE)
    case.asking.add_many(TASKS)
    frozen = case.until_shot("delivery checked")
    case.until_announced()
    case.arm()
    case.fleet[frozen.process].thaw()


def moved_back(case: Case) -> None:
    """People were told a due date, then another one, and now the first one holds again."""
    asking = case.asking
    words = asking.add_many(TASKS)
    firsts = {word: asking.due_at(word) for word in words}
    case.until_announced()
    for word in words:
        asking.move(word, asking.next_due())
    case.until_announced()
    case.until_at_rest()
    case.arm()
    for word in words:
        asking.move(word, firsts[word])


def planned_ahead(case: Case) -> list[str]:
    """Tasks whose reminders are planned for later."""
    words = case.asking.add_many(TASKS // 2, hours=30)
    case.until_at_rest()
    return words


def done_long_before(case: Case) -> None:
    words = planned_ahead(case)
    case.arm()
    for word in words:
        case.asking.complete(word)
    case.asking.add_many(TASKS // 2)


@contextmanager
def hours_before(fleet: Fleet, hours: int) -> Iterator[None]:
    """An administrator lets everybody be told so long before, for a while."""
    change = 'UPDATE reminders_reminderrule SET "offset" = %s::interval'
    fleet.sql(change, [f"-{hours} hours"])
    try:
        yield
    finally:
        fleet.sql(change, ["-24 hours"])


def rule_changed(case: Case) -> None:
    """The rule now reaches tasks that were to be told later."""
    asking = case.asking
    dues = [asking.next_due(hours=30) for _ in range(TASKS)]
    words = [asking.add(due_at=due_at, to_be_told=False) for due_at in dues]
    case.until_at_rest()
    case.arm()
    asked_at = time.monotonic()
    with hours_before(case.fleet, 36):
        for word, due_at in zip(words, dues, strict=True):
            case.ledger.grant(word, due=in_words(due_at), asked_at=asked_at)
        case.until_shot()
        case.until_announced()


def frozen_at(case: Case) -> None:
    """It sleeps until its lease is over and another worker has done its work, and then goes on where it was."""
    case.arm()
    case.asking.add_many(TASKS)
    shot = case.until_shot()
    case.until_announced()
    case.until_at_rest()
    thawed_at = time.monotonic()
    case.fleet[shot.process].thaw()
    case.fleet.until_finished(shot.pid, after=thawed_at)


def rows_of(*points: str, scenario: Scenario = due_tasks, hit: int = 1) -> list[Row]:
    return [Row(point, scenario, hit) for point in points]


PER_MESSAGE = [
    "delivery checking", "delivery checked", "MAIL FROM answered", "DATA answered", "text sent", "dot sent",
    "message accepted", "delivery sent",
]  # fmt: skip

KILLS = [
    *rows_of("task saving", "task saved", hit=2),
    *rows_of("tick taken", f"publishing {SWEEP}", f"published {SWEEP}", f"received {SWEEP}", "sweep begun"),
    *rows_of("changes planned", "reminder planned", "delivery queued", "bell ringing"),
    *rows_of(f"publishing {DELIVER}", f"published {DELIVER}", f"received {DELIVER}", "delivery claimed"),
    *rows_of(*PER_MESSAGE, hit=2),
    *rows_of("delivery deferred", scenario=in_a_mood(Mood.LATER), hit=2),
    *rows_of("transport parked", "delivery parked", "delivery handed back", scenario=in_a_mood(Mood.CLOSING)),
    *rows_of("delivery outcome unknown", scenario=in_a_mood(Mood.DROP)),
    *rows_of("transport works again", scenario=after_a_mood(Mood.REFUSE)),
    *rows_of("delivery failed", scenario=refused_for_good, hit=2),
    *rows_of("delivery suppressing", "delivery suppressed", scenario=done_in_time, hit=2),
    *rows_of("delivery put off", scenario=locked_while_done),
    *rows_of("delivery queued again", scenario=reopened),
    *rows_of("delivery lease expired", scenario=after_a_kill),
    *rows_of("delivery lease lost", scenario=thawed),
    *rows_of("reminder cancelled", scenario=done_long_before),
    *rows_of("reminder moved", scenario=rule_changed),
]

IN_THE_WORKERS_CHILD = ["delivery claimed", "text sent", "dot sent", "message accepted"]
CHILD_KILLS = [replace(row, action=KILL_CHILD) for row in KILLS if row.point in IN_THE_WORKERS_CHILD]

WORTH_SLEEPING_AT = ["delivery claimed", "delivery checked", "text sent", "dot sent", "message accepted"]
FREEZES = [
    replace(row, action=FREEZE, scenario=frozen_at) for row in KILLS if row.point in WORTH_SLEEPING_AT
]  # fmt: skip

SPECIAL = [
    Row("delivery checked", after_a_mood(Mood.REFUSE), note="of a probe"),
    Row("changes planned", moved_back, note="of due dates that came back"),
]

ROWS = [*KILLS, *CHILD_KILLS, *FREEZES, *SPECIAL]

NOT_ON_THE_WAY = {
    "reminder sent ahead": "a person's request, in one transaction: the same as at 'task saving'",
    "reminder zone rules changed": "in manage.py prepare; a chunk is one transaction, and the next run goes on from it",
    "delivery hurried": "one statement at the end of an outage: what it misses is due when its wait is over",
    "delivery queued again": "in one statement, when the circuit is open already: the same as at 'transport parked'",
    "delivery retried": "a person's request, in one transaction: the same as at 'task saving'",
}
"""Points that no row dies at, each with its reason."""


def run_row(fleet: Fleet, row: Row, number: int) -> Outcome:
    fleet.until_ready()
    case, shot, error = Case(fleet, row, number), None, ""
    try:
        row.scenario(case)
        shot = case.until_shot()
    except AssertionError as failure:
        error = str(failure)
        shot = fleet.armory.shot(row.point)
    finally:
        fleet.mail.be(Mood.WELL)
        fleet.mail.no_such_user.clear()
        fleet.armory.clear()
        if shot and shot.action == FREEZE:
            fleet[shot.process].thaw()
    fleet.drain(case.ledger, within=DRAIN_SECONDS)
    verdict = fleet.judge(case.ledger)
    wanted = set(case.ledger.wanted().items())
    lasts = [message.at for message in fleet.mail.accepted if (message.word, message.due) in wanted]
    recovery = max(lasts, default=0.0) - shot.at if shot else float("nan")
    return Outcome(row, shot, verdict, recovery, error)


def run(fleet: Fleet, rows: list[Row] = ROWS, *, outcomes: list[Outcome], say: Callable[[str], None] = print) -> None:
    """Run the rows one after the other. `outcomes` has those that are finished, even if a later one fails."""
    fleet.add_users(["ann", NO_SUCH_USER])
    for number, row in enumerate(rows):
        began = time.monotonic()
        outcome = run_row(fleet, row, number)
        outcomes.append(outcome)
        took = time.monotonic() - began
        said = f"{'ok ' if outcome.is_good else 'RED'} {row}, {row.action}: {outcome.verdict.received} of"
        say(f"{said} {outcome.verdict.due}, back after {outcome.recovery_seconds:.1f} s, row took {took:.1f} s")
        if not outcome.is_good:
            say(f"    {outcome.error} {outcome.verdict}")
