"""Faults at random, from a seed, while people add, move, finish, delete and restore tasks.

What is random is drawn from the seed; the moment at which a fault meets a message is not, so a seed tells what was done
and not what came of it. Each fault is a line with its moment.
"""

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from tests.chaos.asking import Asking
from tests.chaos.fleet import BEATS, LEASE_SECONDS, PROCESSES, WEB, WORKERS, Fleet
from tests.chaos.ledger import Ledger, Verdict
from tests.chaos.mail_server import Mood
from tests.chaos.processes import children

PEOPLE = ["ann", "bob", "cem"]
REFUSED = "dan"
"""Somebody whose address the mail server refuses for good, now and then."""

ACTIONS_A_SECOND = 3.0
"""Of each person."""

CLOCK_STEPS = [-600, 0, 600]
"""Seconds by which PostgreSQL's clock is ahead of the machine's."""

BAD_MOODS = [mood for mood in Mood if mood != Mood.WELL]


@dataclass
class Outcome:
    seed: int
    seconds: float
    verdict: Verdict
    changes: int
    excused: int
    """Tasks of the person whose address is refused for good: they may end as failed."""
    drain_seconds: float
    faults: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return self.verdict.is_good and not self.errors


class Soak:
    def __init__(self, fleet: Fleet, *, seed: int, seconds: float, say: Callable[[str], None]) -> None:
        self.fleet, self.seed, self.seconds, self._say = fleet, seed, seconds, say
        self.ledger = Ledger()
        self.faults: Counter[str] = Counter()
        self.errors: list[str] = []
        self.changes = 0
        self._began = 0.0
        self._is_over = threading.Event()
        self._clock = 0

    def run(self, *, drain_seconds: float) -> Outcome:
        self._began = time.monotonic()
        threads = [
            *(self._thread(self._live, name) for name in (*PEOPLE, REFUSED)),
            self._thread(self._make_faults, "processes", self.of_processes()),
            self._thread(self._make_faults, "servers", self.of_servers()),
        ]
        for thread in threads:
            thread.start()
        self._is_over.wait(self.seconds)
        self._is_over.set()
        for thread in threads[len(PEOPLE) + 1 :]:
            thread.join()
        self._heal()
        for thread in threads:
            thread.join()
        healed = time.monotonic()
        self.fleet.until_ready()
        self.fleet.drain(self.ledger, within=drain_seconds)
        return Outcome(
            self.seed, self.seconds, self.fleet.judge(self.ledger), self.changes, self.ledger.excused,
            time.monotonic() - healed, self.faults, self.errors,
        )  # fmt: skip

    def _thread(self, work: Callable[..., None], name: str, *arguments: object) -> threading.Thread:
        def guarded() -> None:
            try:
                work(Random(f"{self.seed} {name}"), name, *arguments)
            except Exception as error:  # the soak goes on, and is red
                self.errors.append(f"{name}: {error!r}")
                self._is_over.set()

        return threading.Thread(target=guarded, name=name)

    def _heal(self) -> None:
        """Everything works again, and the clock is right."""
        self.fleet.mail.be(Mood.WELL)
        self.fleet.set_clock(0)
        self.log("healed")

    def log(self, words: str) -> None:
        self._say(f"{time.monotonic() - self._began:7.2f} s  {words}")

    # People

    def _live(self, random: Random, name: str) -> None:
        person = Person(Asking(self.fleet, self.ledger, f"{self.seed}-{name}", user=name), random)
        while not self._is_over.wait(random.expovariate(ACTIONS_A_SECOND)):
            person.do_something()
            self.changes += 1
            if name == REFUSED:
                self.ledger.excuse_failure_of(person.asking.words[-1])

    # Faults

    def _make_faults(self, random: Random, name: str, faults: "list[Fault]") -> None:
        """One after the other; in the beginning each once, in an order of chance."""
        bag: list[Fault] = []
        while not self._is_over.wait(random.uniform(0.3, 2.0)):
            if not bag:
                bag = random.sample(faults, len(faults))
            fault = bag.pop()
            self.faults[fault.name] += 1
            fault.happen(random)

    def of_processes(self) -> "list[Fault]":
        return [
            Fault("kill -9 of a worker", lambda random: self._kill(random.choice(WORKERS))),
            Fault("kill -9 of a worker's child", self._kill_child),
            Fault("kill -9 of a beat", lambda random: self._kill(random.choice(BEATS))),
            Fault("kill -9 of the web process", lambda random: self._kill(WEB)),
            Fault("kill -9 of everything, as with its supervisor", self._kill_all),
            Fault("a worker frozen for longer than a lease", self._freeze_worker),
            Fault("a worker's child frozen for longer than a lease", self._freeze_child),
        ]

    def of_servers(self) -> "list[Fault]":
        faults = [
            Fault("FLUSHALL", self._flush),
            Fault("the broker restarted", self._restart_broker),
            Fault("the broker killed, its data lost", self._lose_broker),
            Fault("the broker frozen", self._freeze_broker),
            Fault("PostgreSQL stopped at once", self._stop_database),
            *(Fault(f"the mail server {mood}", self._mood(mood)) for mood in BAD_MOODS),
            Fault("the mail server refuses a recipient for good", self._refuse_recipient),
        ]
        if self.fleet.has_own_clock:
            faults += [Fault("PostgreSQL's clock stepped", self._step_clock)] * 2
        return faults

    def _kill(self, name: str) -> None:
        self.log(f"kill -9 of {name}, pid {self.fleet[name].pid}")
        self.fleet[name].signal(signal.SIGKILL)

    def _kill_all(self, random: Random) -> None:
        """All at once: what the death of a supervisor or of a machine comes to."""
        self.log("kill -9 of web, beats and workers at once")
        for name in PROCESSES:
            self.fleet[name].signal(signal.SIGKILL)

    def _a_child(self, random: Random) -> int:
        own = [pid for name in WORKERS for pid in sorted(children(self.fleet[name].pid))]
        return random.choice(own) if own else 0

    def _kill_child(self, random: Random) -> None:
        if pid := self._a_child(random):
            self.log(f"kill -9 of {self.fleet.group_of(pid)}'s child, pid {pid}")
            send(pid, signal.SIGKILL)

    def _freeze_worker(self, random: Random) -> None:
        program = self.fleet[random.choice(WORKERS)]
        seconds = LEASE_SECONDS + random.uniform(0.5, 2)
        self.log(f"{program.name} frozen for {seconds:.1f} s")
        program.signal(signal.SIGSTOP)
        self._is_over.wait(seconds)
        program.thaw()

    def _freeze_child(self, random: Random) -> None:
        if pid := self._a_child(random):
            seconds = LEASE_SECONDS + random.uniform(0.5, 2)
            self.log(f"{self.fleet.group_of(pid)}'s child, pid {pid}, frozen for {seconds:.1f} s")
            send(pid, signal.SIGSTOP)
            self._is_over.wait(seconds)
            send(pid, signal.SIGCONT)

    def _flush(self, random: Random) -> None:
        self.log("FLUSHALL")
        with self.fleet.redis() as redis:
            redis.flushall()

    def _restart_broker(self, random: Random) -> None:
        self.log("the broker restarted")
        self.fleet["redis"].signal(signal.SIGTERM)
        self._is_over.wait(1)

    def _lose_broker(self, random: Random) -> None:
        self.log("the broker killed, its data lost")
        broker = self.fleet["redis"]
        pid, broker.is_wanted = broker.pid, False
        broker.signal(signal.SIGKILL)
        self.fleet.until_dead(pid)
        shutil.rmtree(self.fleet.directory / "broker" / "valkey" / "appendonlydir")
        self._is_over.wait(random.uniform(0, 2))
        broker.is_wanted = True

    def _freeze_broker(self, random: Random) -> None:
        seconds = random.uniform(1, 6)
        self.log(f"the broker frozen for {seconds:.1f} s")
        self.fleet["redis"].signal(signal.SIGSTOP)
        self._is_over.wait(seconds)
        self.fleet["redis"].thaw()

    def _stop_database(self, random: Random) -> None:
        """An immediate stop: no checkpoint, every session broken."""
        self.log("PostgreSQL stopped at once")
        send(self.fleet["postgres"].pid, signal.SIGQUIT)
        self._is_over.wait(2)

    def _step_clock(self, random: Random) -> None:
        seconds = random.choice([each for each in CLOCK_STEPS if each != self._clock])
        self.log(f"the clock of PostgreSQL is set to {seconds:+d} s")
        self._clock = seconds
        self.fleet.set_clock(seconds)

    def _mood(self, mood: Mood) -> Callable[[Random], None]:
        def happen(random: Random) -> None:
            seconds = random.uniform(1, 5)
            self.log(f"the mail server {mood} for {seconds:.1f} s")
            self.fleet.mail.be(mood)
            self._is_over.wait(seconds)
            self.fleet.mail.be(Mood.WELL)

        return happen

    def _refuse_recipient(self, random: Random) -> None:
        self.log(f"the mail server refuses {REFUSED} for good")
        self.fleet.mail.no_such_user.add(f"{REFUSED}@example.org")
        self._is_over.wait(random.uniform(1, 4))
        self.fleet.mail.no_such_user.clear()


@dataclass(frozen=True)
class Fault:
    name: str
    happen: Callable[[Random], None]


class Person:
    """Adds tasks and changes them, as chance has it."""

    def __init__(self, asking: Asking, random: Random) -> None:
        self.asking = asking
        self._random = random
        self._before: dict[str, datetime] = {}
        self._deleted: set[str] = set()
        self._done: set[str] = set()

    def do_something(self) -> None:
        words, random = self.asking.words, self._random
        if not words or random.random() < 0.5:
            self.asking.add()
            return
        word = random.choice(words[-20:])  # those whose messages may be on their way
        if word in self._deleted:
            self._deleted.discard(word)
            self.asking.restore(word)
        elif word in self._done:
            self._done.discard(word)
            self.asking.reopen(word)
        else:
            changes = [self._complete, self._delete, self._move, self._move_there_and_back, self._move_back]
            random.choice(changes)(word)

    def _complete(self, word: str) -> None:
        self._done.add(word)
        self.asking.complete(word)

    def _delete(self, word: str) -> None:
        self._deleted.add(word)
        self.asking.delete(word)

    def _move(self, word: str) -> None:
        self._before[word] = self.asking.due_at(word)
        self.asking.move(word, self.asking.next_due())

    def _move_back(self, word: str) -> None:
        """To the due date before the last move, which may have been told long ago, and the other one since."""
        before = self._before.get(word, self.asking.due_at(word))
        self._before[word] = self.asking.due_at(word)
        self.asking.move(word, before)

    def _move_there_and_back(self, word: str) -> None:
        before = self.asking.due_at(word)
        self.asking.move(word, self.asking.next_due())
        self.asking.move(word, before)


def send(pid: int, number: int) -> None:
    """To one process; 0 is one that is gone, and no process group of ours."""
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def run(
    fleet: Fleet, *, seed: int, seconds: float, drain_seconds: float = 240.0, say: Callable[[str], None] = print
) -> Outcome:
    fleet.add_users([*PEOPLE, REFUSED])
    return Soak(fleet, seed=seed, seconds=seconds, say=say).run(drain_seconds=drain_seconds)
