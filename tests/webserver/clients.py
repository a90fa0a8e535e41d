"""A server of tests/webserver/application.py, and clients that do what no well-behaved one does."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.service import free_port
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Server:
    def __init__(self, directory: Path, **environ: str) -> None:
        self.port = free_port()
        self.closed = directory / f"closed-{self.port}"
        self.log = directory / f"server-{self.port}.log"
        command = [
            sys.executable, str(Path(sys.executable).with_name("gunicorn")), "-c", "python:tests.webserver.application",
            f"--bind=127.0.0.1:{self.port}", "tests.webserver.application",
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, "CLOSED": str(self.closed), **environ}, stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        eventually(lambda: self.ask(GET), every=0.02)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()

    def is_refusing(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return True
        return False

    def connect(self, content: bytes = b"", *, receive_buffer: int = 0) -> "Client":
        return Client(self.port, content, receive_buffer=receive_buffer)

    def ask(self, content: bytes) -> "Response":
        with self.connect(content) as client:
            return client.response()


class Response:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def said(self) -> dict[str, Any]:
        return json.loads(self.body)


class Client:
    def __init__(self, port: int, content: bytes = b"", *, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(30)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rb")
        self.opened_at = time.monotonic()
        if content:
            self.send(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def response(self) -> Response:
        """The next one; ConnectionError if the server closes the connection instead."""
        status = self.file.readline()
        if not status:
            raise ConnectionError
        headers = {}
        while line := self.file.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        number = int(status.split()[1])
        length = 0 if number == 100 else int(headers.get("content-length", "0"))
        return Response(number, headers, self.file.read(length))

    def rest(self) -> bytes:
        """All that comes until the server closes the connection; a reset counts as that."""
        try:
            return self.file.read()
        except ConnectionError:
            return b""

    @property
    def age(self) -> float:
        return time.monotonic() - self.opened_at


def children(pid: int) -> list[str]:
    """The processes that it has begun."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def post(body: bytes = b"", *headers: str, path: str = "/") -> bytes:
    lines = "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *headers])
    return f"{lines}\r\n\r\n".encode() + body
