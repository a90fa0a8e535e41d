"""A crontab's zone that nobody knows, written past the forms, must not stop the pages that show crontabs."""

from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


class UnknownZone(tzinfo):
    """Stands for the name of a zone that is none, and is written back as it was read."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def __str__(self) -> str:
        return f"{self.name} (unknown zone)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnknownZone) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> Any:
        return UnknownZone, (self.name,)

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta()

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, moment: datetime | None) -> str:
        return str(self)


def let_unknown_zones_load(field: "models.Field[Any, Any]") -> None:
    """Of a TimeZoneField: what stands in the database loads in any case. Forms and `save` refuse as before."""
    both_forms = field._get_python_and_db_repr  # type: ignore[attr-defined]

    def python_and_database(value: Any) -> tuple[Any, str]:
        return (value, value.name) if isinstance(value, UnknownZone) else both_forms(value)

    def from_database(value: Any, *_: Any) -> Any:
        try:
            return both_forms(value)[0]
        except (ValidationError, ValueError, OSError):  # not known; no such name; a folder
            return UnknownZone(value)

    field._get_python_and_db_repr = python_and_database  # type: ignore[attr-defined]
    field.from_db_value = from_database  # type: ignore[attr-defined]
