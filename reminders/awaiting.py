"""Conversations that outlive the job which began them.

A job ends within seconds; a mail server may take ten minutes to answer. What is still on its way when a job ends is
attended by a thread of the process, with a session of its own at PostgreSQL, until the last of it has ended. So the
process is free for the next job, the job's time limit ends no conversation, and no more than EMAIL_CONNECTIONS of them
are open in a process. What kills the process, such as the time limit of another job in it, ends them all.

A connection that is open and carries nothing is kept for the next job for a while: some servers greet late on purpose.

When the worker stops, answers are waited for WORKER_STOP_SECONDS at most; what has none then is an unknown outcome.
Outside a worker nobody would be there to attend, so `take` returns when everything has ended.
"""

from collections import deque
from queue import SimpleQueue
from threading import Lock, Thread
from time import monotonic

import structlog
from django.db import connection

from reminders import outcomes
from reminders.conversations import (
    CheckAgain,
    Connection,
    Conversation,
    Ended,
    Event,
    Failed,
    Flight,
    Opened,
    ceiling,
)
from work import bell
from work.insisting import DATABASE_AWAY

log = structlog.get_logger("reminders")

CONNECTING_SECONDS = 2.0
"""For so long a job that has no connection waits for one."""

SPARE_SECONDS = 10.0
"""A connection that nobody has needed for so long is closed."""

LOOK_SECONDS = 1.0

MOST_OPENING = 3
"""So many connections that are not open yet keep others from being opened."""

BREAKING_OFF_SECONDS = 5.0
"""What was broken off is written down within that."""

_lock = Lock()
_attendant: "Attendant | None" = None
_spares: deque[tuple[float, Connection]] = deque()
_outlive = False


def let_conversations_outlive_jobs() -> None:
    """This process goes on after its jobs: it is a child of a worker."""
    global _outlive
    _outlive = True


def take(flight: Flight) -> None:
    """Attend what a job has left: elsewhere in a worker, at once and to the end otherwise."""
    global _attendant
    if flight.is_empty:
        return
    if not _outlive:
        attend_to_the_end(flight)
        return
    with _lock:
        if _attendant is None or not _attendant.is_alive():
            attendant = Attendant(_attendant)
            attendant.start()
            _attendant = attendant
        _attendant.incoming.put(flight)
        _attendant.flight.events.put(Event())


def attend_to_the_end(flight: Flight) -> None:
    while not flight.is_empty:
        attend(flight)
        flight.close()


def attend(flight: Flight) -> None:
    """Wait for the next event, and write down what follows from it. Nothing gets out: the others go on."""
    try:
        handle(flight.next_event(LOOK_SECONDS))
    except DATABASE_AWAY as error:  # what was not written down comes back with its lease
        log.warning("an answer was not written down", error=str(error))
        if not connection.in_atomic_block:
            connection.close()
    except Exception:
        log.exception("an answer was not written down")


def spare() -> Flight:
    """The connections that are open and that nobody uses."""
    flight = Flight()
    while True:
        try:
            _, kept = _spares.popleft()
        except IndexError:
            return flight
        kept.report_to(flight.events)
        flight.connections.append(kept)


def conversations() -> list[Conversation]:
    attendant = _attendant
    return [] if attendant is None else list(attendant.flight.conversations)


def connections() -> int:
    attendant = _attendant
    return len(_spares) + (0 if attendant is None else len(attendant.flight.connections))


def is_connecting() -> bool:
    """Whether a connection is being opened: another would not be open sooner."""
    attendant = _attendant
    return attendant is not None and attendant.flight.is_connecting


def is_stuck() -> bool:
    """Whether a connection of an earlier job is still not open."""
    attendant = _attendant
    return attendant is not None and any(each.is_opening for each in list(attendant.flight.connections))


def is_full() -> bool:
    """Whether no other connection is to be opened: so many are in use, or so many are not open yet."""
    attendant = _attendant
    opening = 0 if attendant is None else sum(each.is_opening for each in list(attendant.flight.connections))
    return not _spares and (connections() >= ceiling.most or opening >= MOST_OPENING)


def is_busy() -> bool:
    """Whether an end of this process would cost anything."""
    return _attendant is not None


def stop(*, seconds: float) -> None:
    """Wait for the answers that are out, break off what has none by then, and wait for that to be written down."""
    attendant = _attendant
    if attendant is None:
        return
    attendant.leave()
    attendant.join(seconds)
    if attendant.is_alive():
        attendant.break_off()
        attendant.join(BREAKING_OFF_SECONDS)


class Attendant(Thread):
    def __init__(self, before: "Attendant | None" = None) -> None:
        """`before` is one that has died: what it had is taken over."""
        super().__init__(name="awaiting", daemon=True)
        self.flight = Flight()
        self.incoming: SimpleQueue[Flight] = SimpleQueue()
        self._is_leaving = self._is_breaking_off = False
        if before is not None:
            self.incoming = before.incoming
            self.incoming.put(before.flight)

    def leave(self) -> None:
        """The worker stops: nothing but answers is waited for."""
        self._is_leaving = True
        self.flight.events.put(Event())

    def break_off(self) -> None:
        self._is_breaking_off = True
        self.flight.events.put(Event())

    def run(self) -> None:
        try:
            while not self.is_over():
                self.tidy_up()
                attend(self.flight)
                self.spare_idle_ones()
        finally:
            connection.close()

    def is_over(self) -> bool:
        """Whether there is nothing left; if so, nothing more comes in."""
        global _attendant
        with _lock:
            while not self.incoming.empty():
                self.flight.adopt(self.incoming.get())
            is_over = self.flight.is_empty and not _spares
            if is_over:
                _attendant = None
            return is_over

    def tidy_up(self) -> None:
        close_spares(older_than=0.0 if self._is_leaving else SPARE_SECONDS)
        if self._is_leaving:
            for each in [each for each in self.flight.connections if each.conversation is None]:
                self.flight.drop(each)
        if self._is_breaking_off:
            for conversation in self.flight.conversations:
                if not conversation.is_broken_off:
                    conversation.break_off()

    def spare_idle_ones(self) -> None:
        for idle in [each for each in self.flight.connections if each.is_idle]:
            self.flight.connections.remove(idle)
            _spares.append((monotonic(), idle))


def close_spares(*, older_than: float) -> None:
    while True:
        try:
            kept_at, kept = _spares.popleft()
        except IndexError:
            return
        if kept_at > monotonic() - older_than:
            _spares.appendleft((kept_at, kept))
            return
        kept.leave()


def handle(event: Event | None) -> None:
    """What follows from an event when no job is there to begin anything."""
    match event:
        case Failed():
            could_not_open(event)
        case Opened():
            was_reached(event.about.channel)
        case Ended():
            outcomes.conclude(event.about)
        case CheckAgain():
            outcomes.check_again(event.about)


def could_not_open(failed: Failed) -> bool:
    """Whether that is the transport's failure: not if others were opened since, or the server wants no more of them."""
    is_late = failed.about.began_at < Connection.last_opened_at
    if is_late or (getattr(failed.error, "too_many", False) and ceiling.keep()):
        return False
    outcomes.could_not_open(failed, channel=failed.about.channel)
    return True


def was_reached(channel: str) -> None:
    """The mail server has greeted us, and let us sign in."""
    outcomes.note_reachable(channel)
    bell.answer(outcomes.MAIL)
