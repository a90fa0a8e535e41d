"""The crash tests in short: some points, some seconds of faults. `make chaos` runs all of it."""

import pytest

from tests.chaos import files, matrix, soak
from tests.chaos.fleet import Fleet
from tests.chaos.mail_server import MailServer

POINTS = ["changes planned", "delivery claimed", "message accepted"]
SLOW_POINTS = ["delivery queued", "text sent", "dot sent"]
ROWS = [
    pytest.param(row, id=row.point, marks=[pytest.mark.slow] if row.point in SLOW_POINTS else [])
    for row in matrix.KILLS
    if row.point in [*POINTS, *SLOW_POINTS]
]

SEED, SECONDS = 45, 15


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    directory = tmp_path_factory.mktemp("chaos")
    with MailServer() as mail, Fleet(directory, mail, own_clock=True) as fleet:
        fleet.add_users([*soak.PEOPLE, soak.REFUSED])
        yield fleet


@pytest.mark.parametrize("row", ROWS)
def test_a_process_that_is_killed_at_this_point_loses_and_doubles_nothing(fleet, row):
    outcome = matrix.run_row(fleet, row, matrix.ROWS.index(row))

    assert outcome.error == ""
    assert outcome.verdict.is_good, outcome.verdict
    assert outcome.verdict.received == matrix.TASKS


@pytest.mark.system("libfaketime")  # for the clock that jumps
def test_faults_at_random_lose_and_double_nothing(fleet):
    outcome = soak.run(fleet, seed=SEED, seconds=SECONDS, drain_seconds=120)

    assert outcome.errors == []
    assert outcome.verdict.is_good, outcome.verdict
    assert outcome.faults


FILE_POINTS = ["file written", "scan answered", "thumbnails written", "file deleted"]
FILE_ROWS = [row for row in files.KILLS if row.point in FILE_POINTS]


@pytest.mark.system("clamav-daemon")
def test_a_process_that_is_killed_at_these_points_leaves_every_file_what_it_should_be(fleet):
    outcomes: list[files.Outcome] = []

    files.run(fleet, FILE_ROWS, outcomes=outcomes)

    assert [outcome.wrong for outcome in outcomes] == [[]] * len(FILE_POINTS)
    assert all(outcome.shot for outcome in outcomes)
