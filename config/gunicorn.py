"""Gunicorn: gunicorn -c python:config.gunicorn config.wsgi"""

import os

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "4"))
timeout = 30
graceful_timeout = 15
keepalive = 75
max_requests = 20_000  # a leak in a library stays bounded
max_requests_jitter = 2_000
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 (gunicorn's heartbeat, not data)
control_socket_disable = True  # it wants a home directory, which a container may not have
accesslog = None  # django-structlog writes a line per request
