"""What the person at the terminal reads: lines of several processes that do not tear each other, and
progress.

The reader may go away (a closed terminal, `| head`): then nothing is printed any more, and everything else
goes on.
"""

import os
import sys
import threading
import time

COLOURS = ("36", "32", "35", "33", "34")


class Terminal:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_tty = sys.stdout.isatty()
        self._colours: dict[str, str] = {}
        self._progress_at = 0.0
        self._unfinished = 0

    def say(self, words: str) -> None:
        self._write(words)

    def line(self, name: str, words: str) -> None:
        """One line of the process `name`."""
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        label = f"{name:<13} | "
        self._write((f"\033[{colour}m{label}\033[0m" if self._is_tty else label) + words)

    def progress(self, words: str) -> None:
        """Overwrites itself on a terminal; elsewhere a line every few seconds is enough."""
        pause = 0.1 if self._is_tty else 3.0
        if time.monotonic() - self._progress_at < pause:
            return
        self._progress_at = time.monotonic()
        if not self._is_tty:
            self._write(words)
            return
        with self._lock:
            self._put("\r" + words.ljust(self._unfinished))
            self._unfinished = len(words)

    def _write(self, words: str) -> None:
        with self._lock:
            gap = "\r" + " " * self._unfinished + "\r" if self._unfinished else ""
            self._unfinished = 0
            self._put(f"{gap}{words}\n")

    def _put(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except UnicodeEncodeError:
            # A terminal without UTF-8.
            sys.stdout.write(text.encode("ascii", "replace").decode())
            sys.stdout.flush()
        except (OSError, ValueError):
            # Nobody reads any more. Python itself must not complain about that at its end, either.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
