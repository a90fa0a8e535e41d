"""The Range header of RFC 9110, section 14."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attachments.ranges import Span, UnsatisfiableError, wanted_span

SPANS = {
    "first and last": ("bytes=0-4", (0, 4)),
    "one byte": ("bytes=3-3", (3, 3)),
    "the last byte": ("bytes=9-9", (9, 9)),
    "all of it": ("bytes=0-9", (0, 9)),
    "an open end": ("bytes=4-", (4, 9)),
    "an open end from the beginning": ("bytes=0-", (0, 9)),
    "an end beyond the file": ("bytes=4-99", (4, 9)),
    "an end of 18 digits": ("bytes=4-999999999999999999", (4, 9)),
    "the last three": ("bytes=-3", (7, 9)),
    "more of the last than there are": ("bytes=-99", (0, 9)),
    "leading zeros": ("bytes=007-008", (7, 8)),
    "capitals": ("BYTES=0-4", (0, 4)),
    "spaces": (" bytes = 0 - 4 ", (0, 4)),
}
IGNORED = {
    "none": None,
    "empty": "",
    "no unit": "0-4",
    "another unit": "lines=0-4",
    "no range": "bytes=",
    "a dash alone": "bytes=-",
    "the last before the first": "bytes=4-3",
    "letters": "bytes=a-b",
    "a sign": "bytes=+1-4",
    "two dashes": "bytes=--4",
    "a fraction": "bytes=0.5-4",
    "digits of other scripts": "bytes=\u0660-\u0664",
    "a superscript": "bytes=²-4",
    "several ranges": "bytes=0-1,4-5",
    "several that overlap": "bytes=0-9,0-9,0-9",
    "numbers of 19 digits": "bytes=0-9999999999999999999",
    "a number of 5000 digits": "bytes=0-" + "9" * 5000,
    "a line": "bytes=0-4\nx",
}
UNSATISFIABLE = {
    "behind the last byte": "bytes=10-",
    "a span behind the last byte": "bytes=10-12",
    "far behind": "bytes=999999999999999999-",
    "none of the last": "bytes=-0",
}


@pytest.mark.parametrize(("header", "span"), SPANS.values(), ids=SPANS)
def test_a_range_is_a_span_of_the_file(header, span):
    assert wanted_span(header, size=10) == Span(*span, 10)


@pytest.mark.parametrize("header", IGNORED.values(), ids=IGNORED)
def test_what_need_not_be_understood_means_the_whole_file(header):
    assert wanted_span(header, size=10) is None


@pytest.mark.parametrize("header", UNSATISFIABLE.values(), ids=UNSATISFIABLE)
def test_a_range_outside_the_file_cannot_be_satisfied(header):
    with pytest.raises(UnsatisfiableError):
        wanted_span(header, size=10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_nothing_of_an_empty_file_can_be_had_in_part(header):
    with pytest.raises(UnsatisfiableError):
        wanted_span(header, size=0)


def test_a_span_says_how_long_it_is_and_where_it_lies():
    span = Span(2, 4, 10)

    assert (span.length, span.content_range) == (3, "bytes 2-4/10")


anything = st.text() | st.from_regex(r"bytes\s*=\s*[0-9]{0,20}-[0-9]{0,20}(,\s*[0-9]{0,3}-[0-9]{0,3})*", fullmatch=True)


@given(anything, st.integers(min_value=0, max_value=2**40))
def test_any_header_gives_the_whole_file_a_span_inside_it_or_is_unsatisfiable(header, size):
    try:
        span = wanted_span(header, size=size)
    except UnsatisfiableError:
        return

    assert span is None or 0 <= span.first <= span.last < size == span.size
