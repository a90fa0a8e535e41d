"""Failures that come again and again, in few words: the first at once, then one line a minute, and one when it is over.

Beat looks several times a second, so a server that is ill for a night would fill its log, and hide in it what else
happens.
"""

from dataclasses import dataclass
from logging import Logger
from time import monotonic

SAY_AGAIN_SECONDS = 60.0

OVER_SECONDS = 10.0
"""Of success: what fails every other time is not over in between."""


@dataclass
class Trouble:
    began_at: float
    said_at: float
    failed_at: float
    times: int = 1


class Troubles:
    def __init__(self, log: Logger) -> None:
        self._log = log
        self._by_name: dict[str, Trouble] = {}

    def failed(self, name: str, sentence: str, error: object) -> None:
        """`sentence` says what that means. Of a trouble that goes on, the last error is told."""
        now = monotonic()
        trouble = self._by_name.get(name)
        if trouble is None:
            self._by_name[name] = Trouble(now, now, now)
            self._log.warning("%s: %s: %s", sentence, name, error)
            return
        trouble.times += 1
        trouble.failed_at = now
        if now - trouble.said_at >= SAY_AGAIN_SECONDS:
            trouble.said_at = now
            self._log.warning(
                "%s, %d times in %.0f s: %s: %s", sentence, trouble.times, now - trouble.began_at, name, error
            )

    def worked(self, name: str) -> None:
        trouble = self._by_name.get(name)
        if trouble is not None and monotonic() - trouble.failed_at >= OVER_SECONDS:
            del self._by_name[name]
            seconds = trouble.failed_at - trouble.began_at
            self._log.warning("This works again, after %d failures in %.0f s: %s", trouble.times, seconds, name)
