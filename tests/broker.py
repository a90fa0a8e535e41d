"""The broker in tests. It may be a server of the developer's, so only our own queues are emptied."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis

from launcher import binaries, ports
from tests.waiting import eventually

QUEUES = ["celery", "deliver", "files"]


@contextmanager
def quiet_broker(url: str) -> Iterator["Redis[bytes]"]:
    """A client of the broker, whose queues are empty before and after."""
    with Redis.from_url(url) as redis:
        empty(redis)
        yield redis
        empty(redis)


def empty(redis: "Redis[bytes]") -> None:
    redis.delete(*QUEUES)


class OwnBroker:
    """A broker of a test's own, to be frozen and killed. It keeps what it was told over a death."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = ports.pick()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.kill()

    def url(self, number: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{number}"

    def start(self) -> None:
        words = f"--bind 127.0.0.1 --port {self.port} --appendonly yes --appendfsync always".split()
        self.process = subprocess.Popen(
            [binaries.valkey(), *words, "--dir", ".", "--save", ""], cwd=self.directory, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        with Redis.from_url(self.url()) as redis:
            eventually(redis.ping)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)
