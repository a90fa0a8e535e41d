"""The waits between attempts."""

from datetime import timedelta

import pytest

from work.backoff import delay_after

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("failures", "delay"),
    [
        (1, 5 * SECOND),  # the first
        (2, 10 * SECOND),  # doubles
        (3, 20 * SECOND),
        (10, 2560 * SECOND),  # the last below the longest
        (11, HOUR),  # at most the longest
        (1_000, HOUR),  # and no overflow
    ],
)
def test_the_wait_doubles_up_to_the_longest(failures, delay):
    assert delay_after(failures, first=5 * SECOND, longest=HOUR) == delay
