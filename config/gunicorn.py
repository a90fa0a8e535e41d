"""Gunicorn: gunicorn -c python:config.gunicorn config.wsgi"""

import os
from typing import Any

from django.conf import settings
from gunicorn.util import unquote_to_wsgi_str

from config.body_limits import most_bytes
from webserver.limits import Limits
from webserver.worker import BufferingWorker

# Read before a worker is forked: one that cannot read its settings would be started again for ever.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Worker(BufferingWorker):
    """Clients that are slow to send or to read hold no thread (docs/decisions/0011-clients-hold-no-threads.md)."""

    limits = Limits(
        head_seconds=settings.WEB_HEAD_SECONDS,
        body_seconds=settings.WEB_BODY_SECONDS,
        body_bytes_per_second=settings.WEB_BODY_BYTES_PER_SECOND,
        stall_seconds=settings.WEB_STALL_SECONDS,
        spool_bytes=max(256 * 2**20, 4 * settings.MAX_UPLOAD_BYTES),
        unread_bytes=64 * 2**20,  # a Raspberry Pi has 1 GB, for PostgreSQL and workers as well
    )

    def body_limit(self, request: Any) -> int:
        content_type = next((value for name, value in request.headers if name == "CONTENT-TYPE"), "")
        return most_bytes(unquote_to_wsgi_str(request.path), content_type)


bind = f"{settings.HOST}:{settings.PORT}"
workers = int(os.environ.get("WEB_CONCURRENCY") or "1")  # a name of gunicorn's own, which it reads before us
worker_class = Worker
worker_connections = settings.WEB_CONNECTIONS
threads = settings.WEB_THREADS
timeout = 30
graceful_timeout = 15
keepalive = 75
# A leak in a library stays bounded. The next process begins when this one has ended. An only one is away for most of a
# second, two more where a client does not read, and `graceful_timeout` at most, where a client reads or sends slowly or
# a request takes that long.
max_requests = 100_000
max_requests_jitter = 10_000
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 (gunicorn's heartbeat, not data)
control_socket_disable = True  # it wants a home directory, which a container may not have
accesslog = None  # django-structlog writes a line per request
