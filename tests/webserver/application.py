"""A small WSGI application, in the worker that the tests are about: gunicorn -c python:tests.webserver.application …

What it does is in the path. Its limits come from the environment.
"""

import errno
import json
import os
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from webserver.limits import Limits
from webserver.responses import REFUSED_WITH
from webserver.worker import BufferingWorker

PART = b"0123456789abcdef" * 4096
PARTS = 160
MOST = 1_000_000

held = threading.Event()
bound = ContextVar("bound", default=False)


class Worker(BufferingWorker):
    limits = Limits(
        head_seconds=float(os.environ.get("HEAD_SECONDS", "20")),
        body_seconds=float(os.environ.get("BODY_SECONDS", "30")),
        body_bytes_per_second=50_000,
        stall_seconds=float(os.environ.get("STALL_SECONDS", "60")),
        spool_bytes=int(os.environ.get("SPOOL_BYTES", str(2**26))),
        unread_bytes=int(os.environ.get("UNREAD_BYTES", str(2**26))),
    )

    def body_limit(self, request: Any) -> int:
        return MOST


worker_class = Worker
worker_connections = int(os.environ.get("CONNECTIONS", "1000"))
max_requests = int(os.environ.get("MAX_REQUESTS", "0"))
threads = 4
keepalive = 75
graceful_timeout = 15
control_socket_disable = True


class Closed:
    """A response that leaves a file when the application may clean up."""

    def __init__(self, parts: Iterator[bytes], path: Path) -> None:
        self.parts, self.path = parts, path

    def __iter__(self) -> Iterator[bytes]:
        return self.parts

    def close(self) -> None:
        self.path.touch()


def large() -> Iterator[bytes]:
    """Fails if it is gone on with in another context than the one it began in, as what binds log lines does."""
    for _ in range(PARTS):
        token = bound.set(True)
        yield PART
        bound.reset(token)


def first_part_only() -> Iterator[bytes]:
    yield PART
    raise AssertionError("nobody wants the rest")


def upstream_goes() -> Iterator[bytes]:
    yield PART
    raise ConnectionResetError(errno.ECONNRESET, "the upstream of the application")


def application(environ: dict[str, Any], start_response: Any) -> Any:
    path = environ["PATH_INFO"]
    if refused := environ.get(REFUSED_WITH):
        start_response(f"{refused} Refused", [("Content-Length", "0")])
        return []
    if path == "/large":
        start_response("200 OK", [("Content-Length", str(len(PART) * PARTS))])
        return Closed(large(), Path(os.environ["CLOSED"]))
    if path == "/large-in-chunks":
        start_response("200 OK", [])
        return large()
    if path == "/first-part-only":
        start_response("200 OK", [("Content-Length", str(len(PART) * PARTS))])
        return Closed(first_part_only(), Path(os.environ["CLOSED"]))
    if path == "/upstream-is-gone":
        raise OSError(int(environ["QUERY_STRING"]), "the upstream of the application")
    if path == "/upstream-goes":
        start_response("200 OK", [("Content-Length", str(len(PART) * PARTS))])
        return upstream_goes()
    if path == "/large-at-once":
        start_response("200 OK", [("Content-Length", str(len(PART) * PARTS))])
        return [PART * PARTS]
    if path == "/too-short":
        start_response("200 OK", [("Content-Length", "10")])
        return [b"short"]
    if path == "/hold":
        held.wait(30)
    if path == "/let-go":
        held.set()
    names = ("REQUEST_METHOD", "PATH_INFO", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_X_LATE")
    said = {name: environ.get(name) for name in names}
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    content = json.dumps({**said, "body": body.decode("latin-1")}).encode()
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]
