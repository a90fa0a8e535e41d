"""What the API's own fields take and refuse."""

import pytest
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework.exceptions import ValidationError

from accounts.fields import PlainTextField, StringField, TimezoneField
from accounts.validators import timezone_names, validate_no_control_characters, validate_timezone


@pytest.mark.parametrize("text", ["Zażółć gęślą jaźń", "👩‍👩‍👧", "‮right to left", "a\u00adb", "中文", "-"])
def test_plain_text_is_any_script(text):
    assert PlainTextField().run_validation(text) == text


@pytest.mark.parametrize("character", ["\0", "\a", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9b", "\u2028"])
def test_a_line_has_no_control_characters(character):
    with pytest.raises(ValidationError, match=f"U\\+{ord(character):04X}"):
        PlainTextField().run_validation(f"a{character}b")


@pytest.mark.parametrize("character", ["\t", "\n", "\r", "\u2028"])
def test_lines_have_ends_and_tabs(character):
    assert PlainTextField(multiline=True).run_validation(f"a{character}b") == f"a{character}b"


@pytest.mark.parametrize("character", ["\0", "\a", "\v", "\f", "\x1b", "\x7f", "\x85"])
def test_lines_have_no_other_control_characters(character):
    with pytest.raises(ValidationError, match=f"U\\+{ord(character):04X}"):
        PlainTextField(multiline=True).run_validation(f"a{character}b")


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(ValidationError):
        PlainTextField().run_validation("a\ud800")


@pytest.mark.parametrize("value", [5, 1.5, True, None, [], {}])
@pytest.mark.parametrize("field", [StringField(), PlainTextField(), TimezoneField()])
def test_a_text_is_a_string(field, value):
    with pytest.raises(ValidationError):
        field.run_validation(value)


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_a_zone_is_an_iana_name(name):
    assert TimezoneField().run_validation(name) == name
    validate_timezone(name)


@pytest.mark.parametrize("name", ["Berlin", "utc", "localtime", "Factory", "posixrules", "Europe/Berlin\n\n"])
def test_what_is_no_zone_is_refused_with_an_example(name):
    with pytest.raises(DjangoValidationError, match="Europe/Berlin"):
        validate_timezone(name)


def test_an_over_long_zone_gets_one_message():
    with pytest.raises(ValidationError) as refusal:
        TimezoneField().run_validation("a" * 65)

    assert len(refusal.value.detail) == 1


def test_names_that_differ_between_machines_are_no_zones():
    assert len(timezone_names()) > 400
    assert not {"localtime", "Factory"} & timezone_names()


def test_a_model_refuses_what_the_api_refuses():
    with pytest.raises(DjangoValidationError, match="on one line"):
        validate_no_control_characters("a\nb")
