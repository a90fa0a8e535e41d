"""The contract of a channel. It is given a Message, never a row, and sends it or says why not."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Message:
    """What a person is told about a task, whatever it is."""

    to: str
    message_id: str
    """RFC 5322 Message-ID with its angle brackets; the same on every attempt, so that a receiver can tell a repeat."""
    language: str
    """The code of the language that it is said in; empty: the service's own."""
    title: str
    task_url: str
    unsubscribe_url: str


@dataclass(frozen=True)
class DueSoon(Message):
    """The task is due soon. Times are aware; `zone` is the one they were meant in."""

    description: str
    due_at: datetime
    all_day: bool
    zone: str


@dataclass(frozen=True)
class InfectedFile(Message):
    """A virus was found in a file of the task."""

    file: str
    found: str
    """What the scanner calls it."""


class DeliveryError(Exception):
    """The other side answered, about this message: it will never take it (permanent), or not now."""

    def __init__(self, text: str, *, permanent: bool) -> None:
        super().__init__(text)
        self.permanent = permanent


class TransportError(Exception):
    """The way there does not work, whoever the message is for: refused, silent, or closing.

    `carrying` says that it broke while it carried this message, after the other side had agreed to take one; `unknown`
    that it broke after the message had gone out in full and before the answer came.
    """

    def __init__(self, text: str, *, carrying: bool = False, unknown: bool = False) -> None:
        super().__init__(text)
        self.carrying = carrying or unknown
        self.unknown = unknown


class Session(Protocol):
    """A connection that carries one message after the other."""

    @property
    def is_open(self) -> bool:
        """Whether it can carry another: a server may answer a message and hang up."""

    def send(self, message: Message, *, give_up_at: float) -> None:
        """Return once the message was accepted; otherwise DeliveryError or TransportError.

        Whatever happens, nothing is handed over after `give_up_at`, on the clock of time.monotonic(): by then the
        message may be somebody else's.
        """


class Channel(Protocol):
    """How to reach people one way. Opening a session raises TransportError when that fails."""

    def session(self) -> AbstractContextManager[Session]:
        """Connect; leaving the context disconnects."""
