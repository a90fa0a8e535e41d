"""The environment of the tests. Loaded by `-p` before pytest-django reads the settings, which a conftest is not."""

import os
import signal
import tempfile

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
