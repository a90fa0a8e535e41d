"""Fields of the API that are strict about what they take. A JSON field takes its own type and no other."""

from datetime import datetime, tzinfo
from typing import Any

from django.core.validators import ProhibitNullCharactersValidator
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.validators import (
    validate_language,
    validate_no_control_characters,
    validate_no_control_characters_in_lines,
    validate_timezone,
)


class StringField(serializers.CharField):
    """A CharField that takes strings alone, where DRF's makes "5" of 5."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class PlainTextField(StringField):
    """Text without control characters, which break mail headers, logs and terminals."""

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiline = multiline
        # NUL is one of the control characters, and one message about it is enough.
        others = [each for each in self.validators if not isinstance(each, ProhibitNullCharactersValidator)]
        check = validate_no_control_characters_in_lines if multiline else validate_no_control_characters
        self.validators = [*others, check]


class TimezoneField(StringField):
    """The IANA name of a time zone."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 64)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Checked here, not by a validator, so that an over-long name is not called unknown as well."""
        name = super().to_internal_value(data)
        if self.max_length is None or len(name) <= self.max_length:
            validate_timezone(name)
        return name


class LanguageField(StringField):
    """The code of a language that is offered."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 20)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Checked here for the same reason as a time zone."""
        code = super().to_internal_value(data)
        if self.max_length is None or len(code) <= self.max_length:
            validate_language(code)
        return code


class StrictBooleanField(serializers.BooleanField):
    """true or false, where DRF's also takes "yes", "t" and 1."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


def instant(moment: datetime | None, zone: tzinfo) -> str | None:
    """The text that DRF's DateTimeField makes of a moment, for whoever writes out a representation."""
    if moment is None:
        return None
    text = moment.astimezone(zone).isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


class InstantField(serializers.DateTimeField):
    """An RFC 3339 instant. One without an offset is refused: nobody could say when it is."""

    default_error_messages = {
        "naive": gettext_lazy(
            "This time has no offset, so it is not clear when it is; write for example 2026-03-01T09:00:00+01:00 or "
            "2026-03-01T08:00:00Z."
        ),
        "type": gettext_lazy("Write the time as a text such as 2026-03-01T09:00:00+01:00."),
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("naive")
        return super().enforce_timezone(value)

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str | datetime):
            self.fail("type")
        return super().to_internal_value(value)


@extend_schema_field({
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"at": {"type": "string", "format": "date-time"}, "step": {"type": "string"}},
        "required": ["at", "step"],
        "additionalProperties": True,
    },
})  # fmt: skip
class HistoryField(serializers.JSONField):
    """The steps that a row has taken, oldest first."""
