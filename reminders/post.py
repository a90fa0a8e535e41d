"""The sessions of one run of delivering: each opened when its channel is first needed, all closed at its end.

At most one message of theirs was accepted and is not written down yet.
"""

import contextlib
from typing import Any, Self

from reminders.channels import CHANNELS
from reminders.channels.base import Message, Session
from reminders.last_check import Letter


class Post:
    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._sessions: dict[str, Session] = {}
        self._proven: set[tuple[str, bool]] = set()
        self.unsettled: Letter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.close()

    @property
    def channels(self) -> list[str]:
        """Those that can carry a message at once."""
        return [name for name, session in self._sessions.items() if session.is_open]

    def open(self, channel: str) -> None:
        """Connect; TransportError if that fails."""
        self._proven -= {(channel, True), (channel, False)}
        self._sessions[channel] = self._stack.enter_context(CHANNELS[channel]().session())

    def send(self, channel: str, message: Message, *, give_up_at: float) -> None:
        self._sessions[channel].send(message, give_up_at=give_up_at)

    def prove(self, channel: str, *, accepted: bool) -> bool:
        """The other side has answered about a message on this connection; say whether that is the first such answer."""
        is_first = (channel, accepted) not in self._proven
        self._proven.add((channel, accepted))
        return is_first

    def drop(self, channel: str) -> bool:
        """Let a connection go that broke; say whether it had proven to work before that."""
        self._sessions.pop(channel, None)
        return not self._proven.isdisjoint({(channel, True), (channel, False)})
