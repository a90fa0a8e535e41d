"""One book of time zones: the rules of the pinned `tzdata` package, for Python and for the C library alike.

A machine has several: the host's files, PostgreSQL's own copy, the package. They are of different years, and a due date
that one process reckons and another shows would be an hour off wherever a government has changed its mind in between.
`use_packaged_rules` is called before anything reads a zone (config/__init__.py). PostgreSQL's copy is not used because
its sessions are in UTC and no statement converts; `manage.py time_zones` compares all three.
"""

import os
import time
import zoneinfo
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version as installed_version
from pathlib import Path
from zoneinfo import ZoneInfo

import tzdata

RULES = Path(tzdata.__file__).parent / "zoneinfo"
HOST_RULES = Path("/usr/share/zoneinfo")

RELEASED_ON = {"2026.6": date(2026, 10, 28)}
"""When a version of the package was released, which it does not say itself. The pinned one is here."""

OLD_AFTER = timedelta(days=365)

COMPARED = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC))
"""The years in which two copies of the rules are compared, once a week of them."""


def use_packaged_rules() -> None:
    """Have this process and its children take zones from the package and from nowhere else.

    TZDIR is the C library's word for the same: it reckons the local time of TZ, which Django sets to TIME_ZONE.
    """
    zoneinfo.reset_tzpath(to=())
    ZoneInfo.clear_cache()
    os.environ |= {"PYTHONTZPATH": "", "TZDIR": str(RULES)}
    time.tzset()


def version() -> str:
    """The version of the rules, as the package numbers it: 2026.6 is IANA's release 2026f."""
    return installed_version("tzdata")


def released_on(version: str) -> date:
    """When these rules were released; of a version that is not known here, the last day on which that can have been."""
    return RELEASED_ON.get(version) or date(int(version.partition(".")[0]), 12, 31)


def warning(version: str, today: date) -> str:
    """What is to be said of rules that are older than a year; empty if they are not."""
    if today - released_on(version) <= OLD_AFTER:
        return ""
    return f"the time zone data ({version}) is more than a year old; upgrade Taskapp, or the package tzdata"


def in_words(today: date) -> str:
    """Version and age, for /healthz and the admin: tzdata 2026.6, 30 days old."""
    released = RELEASED_ON.get(version())
    return f"tzdata {version()}, {f'{(today - released).days} days old' if released else 'of unknown age'}"


def host_lacks(zone: str, *, rules: Path = HOST_RULES) -> bool:
    """Whether the host has zones, but not this one: Django then refuses it as TIME_ZONE, though it reads no other."""
    return rules.is_dir() and not rules.joinpath(*zone.split("/")).is_file()


def host_version() -> str:
    """The release that the host's files are of, as far as they say it; empty if there are none."""
    index = HOST_RULES / "tzdata.zi"
    if not HOST_RULES.is_dir():
        return ""
    return index.read_text().split(maxsplit=3)[2] if index.is_file() else "of an unknown release"


def weeks() -> list[datetime]:
    begin, end = COMPARED
    return [begin + timedelta(weeks=number) for number in range((end - begin) // timedelta(weeks=1))]


def offsets(zone: ZoneInfo, instants: Iterable[datetime]) -> list[int]:
    """Seconds east of UTC at each instant."""
    return [int((each.astimezone(zone).utcoffset() or timedelta()).total_seconds()) for each in instants]


def packaged_offsets() -> dict[str, list[int]]:
    return {name: offsets(ZoneInfo(name), weeks()) for name in zoneinfo.available_timezones()}


def host_offsets() -> dict[str, list[int]]:
    """By the host's files, which nothing else reads."""
    found = {}
    for name in zoneinfo.available_timezones():
        path = HOST_RULES.joinpath(*name.split("/"))
        if path.is_file():
            with path.open("rb") as file:
                found[name] = offsets(ZoneInfo.from_file(file, key=name), weeks())
    return found
