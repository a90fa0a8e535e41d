"""A PostgreSQL of a test's own, to be frozen, killed and moved."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from launcher import ports
from launcher.postgres import PostgreSQL
from launcher.processes import wait_until


class OwnDatabase:
    """The embedded server, without the keeper that would start it again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = ports.pick()

    def __enter__(self) -> Self:
        (self.directory / "log").mkdir()
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.server.stop()

    @property
    def url(self) -> str:
        return self.server.url()

    def url_with_hosts(self, *ports: int) -> str:
        """A URL with several addresses, of which the first that takes writes counts."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"{self.url.replace(f'127.0.0.1:{self.port}', hosts)}?target_session_attrs=read-write"

    def start(self) -> None:
        self.server = PostgreSQL(self.directory, {"port": self.port})

        def is_ready() -> bool:
            self.server.tick()
            return self.server.ready

        assert wait_until(is_ready, 60)
        assert self.server.port == self.port

    def stop(self, how: signal.Signals) -> None:
        """SIGINT: fast; SIGQUIT: at once, as in a crash."""
        process = self.server._process
        process.send_signal(how)
        process.wait(30)

    def restart(self, how: signal.Signals) -> None:
        self.stop(how)
        self.start()

    def move(self, port: int) -> None:
        """The same data at another address, as after a failover."""
        self.stop(signal.SIGINT)
        self.port = port
        self.start()

    def sql(self, sql: str) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def processes(self) -> list[int]:
        """The server and its helpers."""
        parent = self.server.pid
        helpers = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [parent, *map(int, helpers)]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        frozen = self.processes()
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(frozen):
                os.kill(pid, signal.SIGCONT)
