"""An SMTP server that writes down what it has accepted, and misbehaves on command.

It is one of its own, beside the one of the other tests: it has to refuse, stall, dribble and drop at any moment, also
in conversations that are under way, and to take hundreds of messages a second.
"""

import asyncio
import re
import threading
import time
from collections import Counter
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from tests.chaos.ledger import Accepted

SUBJECT = re.compile(r"(?:Due (?P<due>.+?\)): |Quarantined: )(?P<word>[^\s,]+)")


class Mood(StrEnum):
    """What it does. Everything but WELL is a fault."""

    WELL = "well"
    REFUSE = "refuses connections"
    SILENT = "accepts connections and says nothing"
    DRIBBLE = "answers a byte now and then"
    CLOSING = "answers 421"
    LATER = "answers 451"
    DROP = "takes the message and hangs up without an answer"
    DROP_UNTAKEN = "hangs up on the message without having taken it"
    SLOW = "takes 0.3 s for a message"


@dataclass(eq=False)
class Conversation:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    began_at: float = 0.0
    to: str = ""


class MailServer:
    """`accepted` holds what was taken in full, whether or not the client heard of it."""

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.refused: Counter[str] = Counter()
        """How many commands were answered with each refusing code, or broken off."""
        self.mood = Mood.WELL
        self.seconds_per_message = 0.0
        self.no_such_user: set[str] = set()
        """Addresses that are answered 550."""
        self.seconds_for: dict[str, float] = {}
        """How long the answer to a message takes, by its recipient."""
        self.poisonous: set[str] = set()
        """Addresses on which it hangs up without an answer."""
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._listener: asyncio.Server | None = None
        self._conversations: set[Conversation] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def be(self, mood: Mood) -> None:
        """Behave so from now on, in conversations under way too."""
        self._run(self._be(mood))

    def _run(self, work: Any) -> None:
        future: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.result(timeout=20)

    async def _be(self, mood: Mood) -> None:
        before, self.mood = self.mood, mood
        if mood == Mood.REFUSE:
            await self._close()
        elif self._listener is None:
            await self._listen()
        elif before in {Mood.SILENT, Mood.DRIBBLE}:
            self._hang_up()  # those that were left waiting

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._converse, "127.0.0.1", self.port, backlog=256)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._hang_up()
        await asyncio.sleep(0.01)  # a turn for the conversations to end

    def _hang_up(self) -> None:
        for conversation in self._conversations:
            conversation.writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = Conversation(reader, writer)
        self._conversations.add(conversation)
        try:
            if not await self._answer(conversation, "220 mail.example.org"):
                return
            while line := await reader.readline():
                if not await self._obey(conversation, line.decode("latin-1").strip()):
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._conversations.discard(conversation)
            with suppress(OSError):
                writer.close()

    async def _obey(self, conversation: Conversation, line: str) -> bool:
        """Answer one command; False ends the conversation."""
        verb = line[:4].upper()
        if self.mood == Mood.CLOSING:
            await self._answer(conversation, "421 closing")
            return False
        if verb == "QUIT":
            await self._answer(conversation, "221 bye")
            return False
        if verb == "MAIL":
            conversation.began_at = time.monotonic()
        elif verb == "RCPT":
            conversation.to = line.partition("<")[2].partition(">")[0]
            if conversation.to in self.poisonous:
                self.refused["broken off"] += 1
                conversation.writer.transport.abort()
                return False
            if conversation.to in self.no_such_user:
                return await self._answer(conversation, "550 no such user")
        elif verb == "DATA":
            return await self._take(conversation)
        return await self._answer(conversation, "250 OK")

    async def _take(self, conversation: Conversation) -> bool:
        await self._answer(conversation, "354 go on")
        text = await conversation.reader.readuntil(b"\r\n.\r\n")
        mood = self.mood
        if mood == Mood.LATER:
            return await self._answer(conversation, "451 not now")
        if mood == Mood.CLOSING:
            await self._answer(conversation, "421 closing")
            return False
        if mood in {Mood.DROP_UNTAKEN, Mood.REFUSE}:
            self.refused["broken off"] += 1
            conversation.writer.transport.abort()
            return False
        if (
            seconds := self.seconds_for.get(conversation.to)
            or self.seconds_per_message
            or (0.3 if mood == Mood.SLOW else 0.0)
        ):
            await asyncio.sleep(seconds)
        self.accepted.append(understood(text, conversation))
        if mood == Mood.DROP:
            self.refused["broken off"] += 1
            conversation.writer.transport.abort()
            return False
        return await self._answer(conversation, "250 taken")

    async def _answer(self, conversation: Conversation, line: str) -> bool:
        if not line.startswith(("2", "3")):
            self.refused[line[:3]] += 1
        if self.mood == Mood.SILENT:
            self.refused["silent"] += 1
            await conversation.reader.read()  # until they give up
            return False
        if self.mood == Mood.DRIBBLE:
            self.refused["dribbled"] += 1
            for byte in line.encode():
                conversation.writer.write(bytes([byte]))
                await conversation.writer.drain()
                await asyncio.sleep(0.2)
            line = ""
        conversation.writer.write(f"{line}\r\n".encode())
        await conversation.writer.drain()
        return True


def understood(text: bytes, conversation: Conversation) -> Accepted:
    """What the message announces: the first word of the title, and the due date in words; or the name of a file."""
    head = re.sub(r"\r\n[ \t]+", " ", text.partition(b"\r\n\r\n")[0].decode("ascii"))
    headers = dict(line.split(": ", 1) for line in head.split("\r\n"))
    said = SUBJECT.match(headers["Subject"])
    assert said is not None, headers["Subject"]
    return Accepted(
        message_id=headers["Message-ID"], word=said["word"], due=said["due"] or "", to=conversation.to,
        began_at=conversation.began_at, at=time.monotonic(),
    )  # fmt: skip
