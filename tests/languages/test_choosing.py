"""Which language somebody is answered in."""

import pytest

from languages.choosing import accepted, language_for

pytestmark = pytest.mark.usefixtures("german")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de", "de"),
        ("DE", "de"),  # letter case says nothing
        ("de-AT", "de"),  # a variant finds the language
        ("de-AT,de;q=0.9,en;q=0.8", "de"),  # as a browser sends it
        ("en;q=0.5, de;q=0.9", "de"),  # by quality, not by order
        ("fr, de;q=0.2", "de"),  # the best of those that are offered
        ("de;q=0, en", "en"),  # q=0: not that one
        ("de;q=0", ""),
        ("fr", ""),
        ("*", ""),  # sent unasked by some programs
        ("*, de;q=0.5", "de"),
        ("", ""),
        # Malformed, or hostile
        ("de;q=x", ""),
        (";;;", ""),
        ("de;q=1;q=2, en", ""),
        ("../../etc/passwd", ""),
        ("de-" + "x" * 100_000, ""),
        ("de," * 50_000, "de"),
        ("\xff\xfe", ""),
        ("en\r\nX: y", ""),
    ],
)
def test_accept_language_names_one_that_is_offered_or_none(header, language):
    assert accepted(header) == language


@pytest.mark.parametrize(
    ("header", "chosen", "page", "api"),
    [
        ("", "", "en", "en"),  # nobody says anything
        ("de", "", "de", "de"),  # the request alone
        ("", "de", "de", "de"),  # the person alone
        ("en", "de", "de", "en"),  # a page is the person's, the API the program's
        ("fr", "de", "de", "de"),  # a wish that cannot be met is none
        ("de", "fr", "de", "de"),  # nor does a choice count that is not offered any more
        ("fr", "fr", "en", "en"),
    ],
)
def test_a_page_speaks_the_persons_language_and_the_api_the_programs(header, chosen, page, api):
    assert language_for(header, chosen, is_api=False) == page
    assert language_for(header, chosen, is_api=True) == api
