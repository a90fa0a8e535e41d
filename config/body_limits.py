"""How long the body of a request may be. For the web server, which reads it, and for the application."""

import re

from django.conf import settings

TAKES_FILES = re.compile(r"/api/v1/tasks/\d+/attachments/|/tasks/\d+/|/admin/attachments/attachment/add/")


def most_bytes(path: str, content_type: str) -> int:
    """For a path without percent-encoding, and a Content-Type as it was sent."""
    media_type = content_type.partition(";")[0].strip().lower()
    has_files = media_type == "multipart/form-data" and TAKES_FILES.fullmatch(path)
    return settings.MAX_UPLOAD_BYTES if has_files else settings.MAX_BODY_BYTES
