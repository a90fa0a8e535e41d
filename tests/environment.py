"""The environment of the tests. Loaded by `-p` before pytest-django reads the settings, which a conftest is not.

`make test` runs two workers (pytest-xdist). Each has a data directory, a PostgreSQL and a broker of its own; or, where
DATABASE_URL and REDIS_URL are given, databases of its own on those servers. The process that hands out the tests runs
none, so it is given addresses that nobody listens at: `make test` says by a variable which one that is.
"""

import os
import signal
import tempfile
from urllib.parse import urlsplit

NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}

worker = os.environ.get("PYTEST_XDIST_WORKER", "")
WORKER_NUMBER = int(worker.removeprefix("gw") or "0")

hands_out = os.environ.pop("TESTS_HANDED_OUT", "")
for name, url in NOWHERE.items():
    if worker and os.environ.get(name) == url:
        del os.environ[name]
    elif hands_out and not os.environ.get(name):
        os.environ[name] = url

if worker and os.environ.get("REDIS_URL"):
    parts = urlsplit(os.environ["REDIS_URL"])
    number = int(parts.path.strip("/") or 0) + WORKER_NUMBER
    os.environ["REDIS_URL"] = parts._replace(path=f"/{number}").geturl()

# A data directory of their own, with a space in its name; no mail server; nothing of the developer's .env.
_data_dir = tempfile.TemporaryDirectory(prefix="taskapp tests ", ignore_cleanup_errors=True)
os.environ |= {"DATA_DIR": _data_dir.name, "LOG_LEVEL": "WARNING", "LOG_FORMAT": "json"}
for name in (
    "EMAIL_URL", "EMAIL_FROM", "PUBLIC_URL", "ALLOWED_HOSTS", "DEBUG", "TIME_ZONE", "PORT", "WEB_PROXIES",
    "ATTACHMENT_MAX_MB", "ATTACHMENT_QUOTA_MB", "ATTACHMENTS_PER_TASK", "ATTACHMENT_LEASE_SECONDS",
    "ATTACHMENT_MAX_ATTEMPTS", "ATTACHMENT_STORAGE_URL", "CLAMD_URL", "SCAN_POLICY",
):  # fmt: skip
    os.environ[name] = ""
os.environ.setdefault("SECRET_KEY", "for the tests alone")

# A shell starts what runs in its background with SIGINT ignored, and whatever the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
