"""Another book of time zones for a test: the packaged one, but for a zone whose rules are older."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo, reset_tzpath

from schedules import crontab_fields


@contextmanager
def older_rules(directory: Path, zone: str, rule: str, offset_hours: int) -> Iterator[None]:
    """Within the block `zone` goes by a rule as TZ has it, such as PST8PDT,M3.2.0,M11.1.0."""
    file = directory / zone
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(tzif(rule, offset_hours))
    read_from([directory], zone)
    try:
        yield
    finally:
        read_from([], zone)


def read_from(places: Sequence[Path], zone: str) -> None:
    """That zone alone is read again: forms hold the objects of all others, and compare by identity."""
    reset_tzpath(to=places)
    ZoneInfo.clear_cache(only_keys=[zone])
    crontab_fields.read.cache_clear()


def tzif(rule: str, offset_hours: int) -> bytes:
    """A file as RFC 9636 has it, version 2, without transitions: the rule in its footer says all."""

    def header(types: int, characters: int) -> bytes:
        return b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, types, characters)

    block = struct.pack(">lbb", offset_hours * 3600, 0, 0) + b"LMT\0"
    return header(1, 4) + block + header(1, 4) + block + f"\n{rule}\n".encode()
