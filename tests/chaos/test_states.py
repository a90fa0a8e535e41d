"""The odd states in which servers and disks can be: what counts as told in time, and each row of them."""

import pytest

from tests.chaos import states
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Verdict
from tests.chaos.mail_server import MailServer
from tests.chaos.states import Look, Outcome, Row

MAIL = Row("a state of the mail server", states.read_only_sessions, "mail")
NOTHING = Row("a state of no part", states.read_only_sessions, "")


def looks(*said: tuple[str, ...] | None, begin: float = 10.0) -> list[Look]:
    return [Look(begin + number, down) for number, down in enumerate(said)]


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(MAIL, looks=looks((), ("mail",), ("mail",))),
        Outcome(MAIL, looks=looks(("mail",))),
        Outcome(NOTHING, looks=looks((), ())),
        Outcome(MAIL, left_out="no root"),
    ],
)
def test_a_part_that_is_named_alone_and_stays_named_is_good(outcome: Outcome):
    assert outcome.is_good


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(MAIL, looks=looks((), ())),  # never
        Outcome(MAIL, looks=looks((), ("mail",), (), ("mail",))),  # it flaps
        Outcome(MAIL, looks=looks((), ("mail", "worker"))),  # with another
        Outcome(MAIL, looks=looks((), ("worker",))),
        Outcome(MAIL, looks=looks((), None, ("mail",))),  # no answer
        Outcome(MAIL, looks=looks((), ("mail",), begin=30.0)),  # late
        Outcome(MAIL),  # nobody looked
        Outcome(NOTHING, looks=looks((), ("mail",))),
        Outcome(MAIL, looks=looks(("mail",)), told_seconds=61.0),
        Outcome(MAIL, looks=looks(("mail",)), verdict=Verdict(lost=["one"])),
        Outcome(MAIL, looks=looks(("mail",)), errors=["a request was not granted"]),
    ],
)
def test_anything_else_is_not(outcome: Outcome):
    assert not outcome.is_good


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with (
        MailServer() as mail,
        Fleet(tmp_path_factory.mktemp("states"), mail, small_disks=True, **states.ENVIRON) as fleet,
    ):
        fleet.add_users(states.PEOPLE)
        yield fleet


@pytest.mark.slow
@pytest.mark.parametrize("row", states.ROWS, ids=lambda row: row.name)
def test_in_this_state_the_part_is_named_and_nothing_is_lost_or_doubled(fleet, row):
    outcome = states.run_row(fleet, row, states.ROWS.index(row))

    assert outcome.left_out == ""
    assert outcome.wrong == []
