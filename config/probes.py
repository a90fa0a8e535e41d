"""Trying out what a part has to do, since one that answers may be unable to do it."""

import shutil
import tempfile
from pathlib import Path
from threading import Thread
from time import monotonic

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import connection, transaction

from work import bell

DATABASE = "database"
"""The row of work_bell that is written."""

WRITTEN_FOR_SECONDS = 5.0
"""For how long a write shows that another would do, so that probes cost a commit every few seconds and no more."""

# Two megabytes that go through a temporary file, so they have to find room on the disk; nothing of them stays. A row
# that is written finds room most often in a page that is there already.
TAKE_ROOM = """
    SELECT set_config('work_mem', '64kB', TRUE), set_config('temp_tablespaces', '', TRUE);
    SELECT count(*) FROM generate_series(1, 50000)
"""

LIMITED = "53400"
"""temp_file_limit is set, which is no sign of a full disk."""

DISK_TIMEOUT_SECONDS = 2.0
BLOCK = bytes(4096)
SILENT = "DATA_DIR does not answer"

_written_at = float("-inf")
_unanswered: Thread | None = None


def database_writes() -> None:
    """Have PostgreSQL write, as all work does. Raises what it says."""
    global _written_at
    if monotonic() - _written_at < WRITTEN_FOR_SECONDS:
        return
    take_room()
    bell.answer(DATABASE)
    _written_at = monotonic()


def take_room() -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(TAKE_ROOM)
    except AnyDatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) != LIMITED:
            raise


def disk() -> str:
    """Whether DATA_DIR can be written and has room. A disk that does not answer, as over a network, is waited for once:
    while that goes on, it is said at once."""
    global _unanswered
    if _unanswered is not None and _unanswered.is_alive():
        return SILENT
    said: list[str] = []
    thread = Thread(target=lambda: said.append(write_on_disk(Path(settings.DATA_DIR))), name="disk", daemon=True)
    thread.start()
    thread.join(DISK_TIMEOUT_SECONDS)
    if not said:
        _unanswered = thread
        return SILENT
    return said[0]


def write_on_disk(place: Path) -> str:
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place, buffering=0) as file:
            file.write(BLOCK)
        free = shutil.disk_usage(place).free
    except OSError as error:
        return f"DATA_DIR cannot be written: {error.strerror}"
    if free < settings.DISK_RESERVE_BYTES:
        return f"DATA_DIR has {free // 2**20} MB left, of {settings.DISK_RESERVE_MB} that are kept: no uploads"
    return ""
