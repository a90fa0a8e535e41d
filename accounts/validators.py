"""What is wrong with a text, for models and forms; accounts/fields.py has the same for the API."""

import re
from functools import cache
from zoneinfo import available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy

from mail.addresses import AddressError, read_address

LINE = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
"""What a line may not hold, as the inside of a character class: control characters and line separators.

The separators too, because many programs take them for line ends.
"""

LINES = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
"""The same for a text of several lines, which may hold line ends and tabs."""

IN_A_LINE = gettext_lazy("This may not contain the character %(code)s; write plain text on one line.")
IN_LINES = gettext_lazy("This may not contain the character %(code)s; write plain text.")

NO_ZONE = "Factory"
"""A name in the zone database that says that nobody has chosen one."""


@cache
def timezone_names() -> frozenset[str]:
    """The time zones that a person can choose; read from the disk once."""
    return frozenset(available_timezones() - {NO_ZONE})


def validate_timezone(value: str) -> None:
    if value not in timezone_names():
        raise ValidationError(
            gettext_lazy("“%(value)s” is not a time zone; use an IANA name such as Europe/Berlin."),
            code="timezone",
            params={"value": value[:64]},
        )


def validate_language(value: str) -> None:
    """Not by `choices`: they would stand in a migration, and the languages differ from one installation to the next."""
    codes = [code for code, _ in settings.LANGUAGES]
    if value not in codes:
        raise ValidationError(
            gettext_lazy("“%(value)s” is not a language that is offered; choose one of %(codes)s."),
            code="language",
            params={"value": value[:20], "codes": ", ".join(codes)},
        )


def validate_address(value: str) -> None:
    """That mail can be sent there. Django's own check as well, but for letters outside ASCII before the @."""
    try:
        mailbox = read_address(value)
    except AddressError as error:
        raise ValidationError(
            gettext_lazy(
                "Mail cannot be sent to “%(value)s”; write an address such as name@example.org, with a valid domain "
                "name (IDNA 2008)."
            ),
            code="address",
            params={"value": value[:254]},
        ) from error
    local = mailbox.local if mailbox.local.isascii() else "name"
    validate_email(f"{local}@{mailbox.domain}")


def validate_no_control_characters(value: str, *, multiline: bool = False) -> None:
    found = re.search(f"[{LINES if multiline else LINE}]", value)
    if found:
        raise ValidationError(
            IN_LINES if multiline else IN_A_LINE,
            code="control_character",
            params={"code": f"U+{ord(found[0]):04X}"},
        )


def validate_no_control_characters_in_lines(value: str) -> None:
    """The check for a text of several lines, by a name of its own so that a migration can refer to it."""
    validate_no_control_characters(value, multiline=True)
