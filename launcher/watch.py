"""What the supervisor looks at while everything runs: is the web page there yet, do the servers still have
their keeper?
"""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from launcher import servers
from launcher.errors import LauncherError
from launcher.ports import LOOPBACK
from launcher.servers import Urls
from launcher.stopping import Parent, StopRequest
from launcher.terminal import Terminal

PAUSE = 0.5
REMIND_EVERY, PATIENCE, REST_PATIENCE = 10.0, 60.0, 5.0


class Readiness:
    """Asks /readyz in a thread of its own until the answer is 200; then for a moment whether all else is there, too.

    The last word to the user should be that it is ready, not the banner of a worker that started later.
    """

    def __init__(self, port: int, terminal: Terminal, on_ready: Callable[[], None]) -> None:
        self._port = port
        self._terminal = terminal
        self._on_ready = on_ready
        self._answer = "no answer"
        threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        began = reminded = time.monotonic()
        while not self._answers("/readyz"):
            now = time.monotonic()
            if now - reminded > REMIND_EVERY:
                reminded = now
                late = " That is too long: the lines above should say why." if now - began > PATIENCE else ""
                self._terminal.say(f"Not ready after {now - began:.0f} s: /readyz gives {self._answer}.{late}")
            time.sleep(0.1)
        ready = time.monotonic()
        while not self._answers("/healthz/reminders") and time.monotonic() - ready < REST_PATIENCE:
            time.sleep(0.1)
        self._on_ready()

    def _answers(self, path: str) -> bool:
        """A request in four lines: http.client would take longer to load than all of the launcher."""
        request = f"GET {path} HTTP/1.0\r\nHost: {LOOPBACK}:{self._port}\r\n\r\n"
        try:
            with socket.create_connection((LOOPBACK, self._port), timeout=5) as connection:
                connection.sendall(request.encode())
                with connection.makefile("rb") as reply:
                    self._answer = reply.readline(1000).decode("latin-1").strip() or "an empty answer"
        except OSError as error:
            self._answer = f"no answer ({error})"
        return self._answer.split()[1:2] == ["200"]


class Watch:
    """Looked at in each tick of the supervisor, acts twice a second."""

    def __init__(
        self,
        data_dir: Path,
        urls: Urls,
        *,
        parent: Parent | None,
        stop: StopRequest,
        terminal: Terminal,
        on_moved: Callable[[Urls], None],
    ) -> None:
        """`urls`: of the embedded servers, None for those that are not; `on_moved`: they could only come back
        elsewhere."""
        self._data_dir = data_dir
        self._urls = urls
        self._parent = parent
        self._stop = stop
        self._terminal = terminal
        self._on_moved = on_moved
        self._next = 0.0

    def __call__(self) -> None:
        if time.monotonic() < self._next:
            return
        if self._parent and not self._parent.wants_us():
            self._terminal.say("Whoever started this is gone or was told to stop; stopping.")
            self._stop.make()
        elif (self._urls.database or self._urls.broker) and not servers.is_kept(self._data_dir):
            self._revive()
        self._next = time.monotonic() + PAUSE

    def _revive(self) -> None:
        self._terminal.say("The keeper of the embedded servers is gone; starting another.")
        try:
            urls = servers.attach(
                self._data_dir, database=bool(self._urls.database), broker=bool(self._urls.broker), timeout=10
            )
        except LauncherError as error:
            self._terminal.say(str(error))
            return
        if urls != self._urls:
            self._urls = urls
            self._on_moved(urls)
