"""Connections to the mail server, each with a thread of its own, and the messages that are on them.

A mail server may take ten minutes to answer about a message. So that this costs nobody else anything, a conversation
runs in a thread and only the thread waits. Everything about rows is done by the thread that attends: it begins
messages, hears through `events` what became of them, and meanwhile prolongs their leases with one statement for all.

Why threads: what is waited for is 20 sockets, smtplib and ssl block, and a message is composed in Python anyhow. A
thread that waits costs some 50 KB.

A conversation whose lease cannot be prolonged is broken off when the lease ends (channels/deadline.py): by then the
message may be somebody else's.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic

import structlog
from django.conf import settings
from django.db import connection as database

from reminders.channels import CHANNELS
from reminders.channels.base import Session, TransportError, Withdrawn
from reminders.last_check import Letter, lease, prolong
from work import breaker
from work.claims import Holder
from work.failpoints import reached
from work.insisting import DATABASE_AWAY

log = structlog.get_logger("reminders")

CONFIRMED_FOR_SECONDS = 5.0
"""A message that has not gone out so long after its last check is checked once more."""

STUCK_SECONDS = 10.0
"""A connection that is not open after so long does not keep others from being opened."""

CEILING_SECONDS = 30.0
"""How long it is remembered that the server wanted no more connections."""

LEAVING_SECONDS = 1.0
"""How long a run waits for its connections to close."""


class Conversation:
    """One message on one connection. It is the `Lease` that the session looks at."""

    def __init__(self, letter: Letter, holder: Holder, *, probing: bool) -> None:
        self.letter = letter
        self.holder = holder
        self.probing = probing
        self.began_at = monotonic()
        self.error: Exception | None = None
        """What ended it; None: the message was accepted."""
        self.is_broken_off = False
        """By us: says nothing about the other side."""
        self.connection: Connection
        self._kept_until = -inf
        self._verdict: SimpleQueue[bool] = SimpleQueue()

    @property
    def hand_over_until(self) -> float:
        return self.letter.give_up_at

    @property
    def over_at(self) -> float:
        return max(self.letter.lease_over, self._kept_until)

    @property
    def is_endless(self) -> bool:
        """It has taken longer than all phases together may: the thread hangs, and not on its socket."""
        phases = 5 * settings.EMAIL_COMMAND_SECONDS + settings.EMAIL_DATA_SECONDS + settings.EMAIL_ANSWER_SECONDS
        return monotonic() - self.began_at > phases

    @property
    def domain(self) -> str:
        return domain_of(self.letter.address)

    def confirm(self) -> None:
        """Have whoever attends check once more, if the last check was long ago."""
        if monotonic() - self.letter.checked_at < CONFIRMED_FOR_SECONDS:
            return
        self.connection.tell(CheckAgain(self))
        try:
            may_go = self._verdict.get(timeout=max(0.0, self.over_at - monotonic()))
        except Empty:
            may_go = False
        if not may_go:
            raise Withdrawn

    def answer(self, *, may_go: bool) -> None:
        """The answer to CheckAgain."""
        self._verdict.put(may_go)

    def prolonged(self, at: float) -> None:
        self.letter = replace(self.letter, renewed_at=at)

    def kept(self, at: float) -> None:
        """The row is locked, so it could not be prolonged; nor can anybody take it. The answer is waited for, and
        nothing is handed over any later for that."""
        self._kept_until = at + lease().total_seconds()

    def break_off(self) -> None:
        self.is_broken_off = True
        self.answer(may_go=False)
        self.connection.abort()


@dataclass(frozen=True)
class Event:
    """Something that whoever attends is told. Of no kind of its own: look again."""


@dataclass(frozen=True)
class Opened(Event):
    """The connection can carry messages."""

    about: "Connection"


@dataclass(frozen=True)
class Failed(Event):
    """The connection could not be opened; `error` says why."""

    about: "Connection"
    error: Exception


@dataclass(frozen=True)
class Ended(Event):
    """A conversation is over."""

    about: Conversation


@dataclass(frozen=True)
class CheckAgain(Event):
    """A conversation asks whether its message may still go."""

    about: Conversation


class Connection:
    """One session of a channel, and the thread that it lives in."""

    last_opened_at = -inf
    """When one of this process was opened last, on the clock of time.monotonic()."""

    def __init__(self, channel: str, events: "SimpleQueue[Event]", *, probing: bool) -> None:
        self.channel = channel
        self.probing = probing
        self.began_at = monotonic()
        self.conversation: Conversation | None = None
        self.is_ready = False
        self.has_answered = False
        """The other side has accepted or refused a message on it."""
        self._events = events
        self._swap = Lock()
        self._session: Session | None = None
        self._todo: SimpleQueue[Conversation | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=f"{channel} connection", daemon=True)
        self._thread.start()

    @property
    def is_opening(self) -> bool:
        return self._session is None

    @property
    def is_idle(self) -> bool:
        return self.is_ready and self.conversation is None

    def begin(self, conversation: Conversation) -> None:
        conversation.connection = self
        self.conversation = conversation
        self._todo.put(conversation)

    def leave(self) -> None:
        """End it, after what it is doing."""
        self.is_ready = False
        self._todo.put(None)

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def abort(self) -> None:
        if self._session is not None:
            self._session.abort()

    def tell(self, event: Event) -> None:
        with self._swap:
            self._events.put(event)

    def report_to(self, events: "SimpleQueue[Event]") -> None:
        """Tell somebody else from now on."""
        with self._swap:
            self._events = events

    def _run(self) -> None:
        try:
            with CHANNELS[self.channel]().session() as session:
                self._session = session
                Connection.last_opened_at = monotonic()
                self.is_ready = True
                with ceiling.one_more():
                    self.tell(Opened(self))
                    while self.is_ready and (conversation := self._todo.get()) is not None:
                        self._carry(conversation, session)
        except Exception as error:
            self.is_ready = False
            if self._session is None:
                self.tell(Failed(self, error))
            else:
                log.warning("connection not closed well", error=str(error))

    def _carry(self, conversation: Conversation, session: Session) -> None:
        reached("delivery checked", id=conversation.letter.id)
        try:
            session.send(conversation.letter.message(), lease=conversation)
        except Exception as error:
            conversation.error = error
        if isinstance(conversation.error, TransportError) or not session.is_open:
            self.is_ready = False
        self.tell(Ended(conversation))


class Ceiling:
    """How many connections the mail server takes from this process, as far as it has shown."""

    def __init__(self) -> None:
        self.open = 0
        self._lock = Lock()
        self._most, self._until = inf, -inf

    @contextmanager
    def one_more(self) -> Iterator[None]:
        with self._lock:
            self.open += 1
        try:
            yield
        finally:
            with self._lock:
                self.open -= 1

    def lower(self) -> bool:
        """The server wants fewer than are open. False if there is but one: then that is no reason."""
        with self._lock:
            if self.open < 2:
                return False
            self._set(self.open - 1)
            return True

    def keep(self) -> bool:
        """The server has turned another away. False if none is open: then it turns everybody away."""
        with self._lock:
            if self.open < 1:
                return False
            self._set(self.open)
            return True

    def _set(self, most: int) -> None:
        self._most, self._until = max(1, most), monotonic() + CEILING_SECONDS

    @property
    def most(self) -> float:
        most = self._most if monotonic() < self._until else inf
        return min(most, settings.EMAIL_CONNECTIONS)


ceiling = Ceiling()


class Flight:
    """The connections that one thread attends, and the messages on them."""

    def __init__(self) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.connections: list[Connection] = []
        self.conversations: list[Conversation] = []
        self.moved_at = monotonic()
        """When something last began or ended."""
        self._renew_at = monotonic() + renewal_seconds()

    def open(self, channel: str, *, probing: bool = False) -> None:
        self.connections.append(Connection(channel, self.events, probing=probing))
        self.moved_at = monotonic()

    def idle(self) -> Connection | None:
        return next((connection for connection in self.connections if connection.is_idle), None)

    @property
    def is_connecting(self) -> bool:
        """Whether a connection is being opened, and has not taken too long yet."""
        began_after = monotonic() - STUCK_SECONDS
        return any(each.is_opening and each.began_at > began_after for each in list(self.connections))

    def begin(self, letter: Letter, holder: Holder, connection: Connection, *, probing: bool) -> None:
        conversation = Conversation(letter, holder, probing=probing)
        self.conversations.append(conversation)
        connection.begin(conversation)
        self.moved_at = monotonic()

    def next_event(self, seconds: float) -> Event | None:
        """What happens next; None if nothing does within so many seconds. Prolongs the leases meanwhile."""
        until = monotonic() + seconds
        while True:
            now = monotonic()
            if self.conversations and now >= self._renew_at:
                self.renew()
                now = monotonic()
            stop_at = min(until, self._renew_at) if self.conversations else until
            try:
                event = self.events.get(timeout=max(0.0, stop_at - now))
            except Empty:
                if monotonic() >= until:
                    return None
                continue
            self.note(event)
            return event

    def note(self, event: Event) -> None:
        """Keep the lists right."""
        self.moved_at = monotonic()
        if isinstance(event, Failed):
            self.drop(event.about)
        elif isinstance(event, Ended):
            self.forget(event.about)

    def forget(self, conversation: Conversation) -> None:
        if conversation in self.conversations:
            self.conversations.remove(conversation)
        conversation.connection.conversation = None
        if not conversation.connection.is_ready:
            self.drop(conversation.connection)

    def drop(self, connection: Connection) -> None:
        """Let it end; that may have been done already, for who has dropped it may still hear of it."""
        if connection in self.connections:
            self.connections.remove(connection)
            connection.leave()

    def renew(self) -> None:
        """Prolong the leases of all messages that are on the way; what is somebody else's by now is broken off."""
        self._renew_at = monotonic() + renewal_seconds()
        waiting = [each for each in self.conversations if not each.is_broken_off]
        at = monotonic()
        try:
            kept = prolong([(each.letter.id, each.holder) for each in waiting])
        except DATABASE_AWAY as error:
            log.warning("leases not prolonged; trying again", error=str(error))
            self._renew_at = monotonic() + 1
            if not database.in_atomic_block:
                database.close()
            return
        for each in waiting:
            if each.is_endless:
                each.break_off()
                self.forget(each)  # its thread will not tell how it ended; the row comes back with its lease
                self.drop(each.connection)
            elif each.letter.id not in kept:
                each.break_off()
            elif kept[each.letter.id]:
                each.prolonged(at)
            else:
                each.kept(at)
        for channel in {each.letter.channel for each in waiting if each.probing}:
            breaker.keep_open(channel, probe_takes=lease())

    def close(self) -> None:
        """Close the connections that carry nothing, and wait for that a moment."""
        idle = [connection for connection in self.connections if connection.is_idle]
        for connection in idle:
            self.drop(connection)
        until = monotonic() + LEAVING_SECONDS
        for connection in idle:
            connection.join(max(0.0, until - monotonic()))

    @property
    def is_empty(self) -> bool:
        return not self.connections

    def adopt(self, other: "Flight") -> None:
        """Attend what another thread has attended."""
        for connection in other.connections:
            connection.report_to(self.events)
        self.connections += other.connections
        self.conversations += other.conversations
        self._renew_at = min(self._renew_at, other._renew_at)
        other.connections, other.conversations = [], []
        while True:  # what was told before that
            try:
                self.events.put(other.events.get_nowait())
            except Empty:
                return


def renewal_seconds() -> float:
    """How often leases are prolonged: three times before one ends."""
    return lease().total_seconds() / 4


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def slow_domains(conversations: Iterable[Conversation], *, after: float) -> list[str]:
    """The recipients' domains of conversations that have taken longer than so many seconds, one for each."""
    began_before = monotonic() - after
    return [each.domain for each in conversations if each.began_at < began_before]
