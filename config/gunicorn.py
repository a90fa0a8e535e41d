"""Gunicorn: gunicorn -c python:config.gunicorn config.wsgi"""

import os

from django.conf import settings

# Read before a worker is forked: one that cannot read its settings would be started again for ever.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

bind = f"{settings.HOST}:{settings.PORT}"
workers = int(os.environ.get("WEB_CONCURRENCY") or "1")  # a name of gunicorn's own, which it reads before us
worker_class = "gthread"
threads = settings.WEB_THREADS
timeout = 30
graceful_timeout = 15
keepalive = 75
max_requests = 100_000  # a leak in a library stays bounded; an only process is away for most of a second
max_requests_jitter = 10_000
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 (gunicorn's heartbeat, not data)
control_socket_disable = True  # it wants a home directory, which a container may not have
accesslog = None  # django-structlog writes a line per request
