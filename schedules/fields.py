"""Fields of the API that take their own JSON type and no other. (accounts/ has the like; this app stands alone.)"""

import re
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy
from rest_framework import serializers

from schedules.models import LONGEST_WINDOW

CONTROL_CHARACTERS = r"[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]"


class TextField(serializers.CharField):
    """Text without control characters; of one line unless told otherwise."""

    default_error_messages = {"control": gettext_lazy("This may not contain control characters.")}

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pattern = CONTROL_CHARACTERS if multiline else r"[\u0000-\u001f\u007f-\u009f\u2028\u2029]"
        self.validators = [each for each in self.validators if type(each).__name__ != "ProhibitNullCharactersValidator"]

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        text = super().to_internal_value(data)
        if re.search(self.pattern, text):
            self.fail("control")
        return text


class WholeNumberField(serializers.IntegerField):
    """A number, where DRF's also takes "5", 5.0 and true."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class YesNoField(serializers.BooleanField):
    """true or false, where DRF's also takes "yes", "t" and 1."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class MomentField(serializers.DateTimeField):
    """An RFC 3339 instant, with an offset."""

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
        if not isinstance(value, str):
            self.fail("type")
        return super().to_internal_value(value)


class SecondsField(WholeNumberField):
    """A span as whole seconds."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=int(LONGEST_WINDOW.total_seconds()), **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        seconds = super().run_validation(data)
        return timedelta(seconds=seconds) if isinstance(seconds, int) else seconds
