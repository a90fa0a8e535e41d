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
    """A reply about this message or its recipient: never (permanent), or not now.

    `from_server` is False where nothing was asked: an address that cannot be written to.
    """

    def __init__(self, text: str, *, permanent: bool, from_server: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent
        self.from_server = from_server


class TransportError(Exception):
    """The transport failed, whoever the message is for: refused, silent, closing, or not willing to serve us.

    `carrying` says that it failed with this message on it, after the other side had agreed to take one; `unknown` that
    it failed after the message had gone out in full and before the reply came; `by_us` that we have broken it off,
    which says nothing about the other side; `by_reply` that the other side has said why; `too_many` that it wants
    fewer connections of ours.
    """

    def __init__(
        self,
        text: str,
        *,
        carrying: bool = False,
        unknown: bool = False,
        by_us: bool = False,
        by_reply: bool = False,
        too_many: bool = False,
    ) -> None:
        super().__init__(text)
        self.carrying = carrying or unknown
        self.unknown = unknown
        self.by_us = by_us
        self.by_reply = by_reply
        self.too_many = too_many


class Withdrawn(Exception):  # noqa: N818 (no error: the sender has changed its mind)
    """The message is not to go any more, and nothing of it has gone out."""


class Lease(Protocol):
    """For how long a message may be worked on. It is prolonged while that lasts, by another thread."""

    @property
    def hand_over_until(self) -> float:
        """The message may be handed over until then, on the clock of time.monotonic()."""

    @property
    def over_at(self) -> float:
        """The conversation is broken off then: the message may be somebody else's."""

    def confirm(self) -> None:
        """Called before the message goes out, which may be minutes after it was checked; raises Withdrawn."""


class Session(Protocol):
    """A connection that carries one message after the other."""

    @property
    def is_open(self) -> bool:
        """Whether it can carry another: a server may answer a message and hang up."""

    def send(self, message: Message, *, lease: Lease) -> None:
        """Return once the message was accepted; otherwise DeliveryError, TransportError or Withdrawn.

        Whatever happens, nothing is handed over after `lease.hand_over_until`.
        """

    def abort(self) -> None:
        """Break the conversation off; may be called by another thread."""


class Channel(Protocol):
    """How to reach people one way. Opening a session raises TransportError when that fails."""

    def session(self) -> AbstractContextManager[Session]:
        """Connect; leaving the context disconnects."""
