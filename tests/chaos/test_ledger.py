"""The judge itself: what it calls lost, misled, doubled and too late."""

import pytest

from tests.chaos.ledger import Accepted, Handing, Ledger, Row

NOON, ONE = "Sun 22 Nov 2026, 12:00 (UTC)", "Sun 22 Nov 2026, 13:00 (UTC)"
ROWS = {"<a>": Row(1, is_marked=False), "<b>": Row(2, is_marked=False), "<marked>": Row(3, is_marked=True)}


@pytest.fixture
def ledger() -> Ledger:
    """In which a task was due at noon, granted at second 10."""
    ledger = Ledger()
    grant(ledger, 10, due=NOON)
    return ledger


def grant(ledger: Ledger, at: float, *, due: str, is_open: bool = True) -> None:
    ledger.grant("rent", due=due, is_open=is_open, asked_at=at - 0.1, granted_at=at)


def mail(at: float, *, message_id: str = "<a>", due: str = NOON) -> Accepted:
    return Accepted(message_id, "rent", due, "ann@example.org", began_at=at - 0.1, at=at)


def sent(at: float, *, message_id: str = "<a>", checking_at: float | None = None) -> Handing:
    """The worker's side of a message that was accepted then."""
    return Handing(ROWS[message_id].delivery, at - 0.2 if checking_at is None else checking_at, at - 0.05, "worker:1")


def test_one_message_for_a_due_date_is_as_it_should_be(ledger):
    verdict = ledger.judge([mail(12)], [sent(12)], ROWS)

    assert verdict.is_good
    assert (verdict.due, verdict.received, verdict.messages) == (1, 1, 1)


def test_a_due_date_that_nothing_announces_is_lost(ledger):
    assert ledger.judge([], [], ROWS).lost == [f"rent: {NOON}"]


def test_a_task_that_is_done_is_not_missed(ledger):
    grant(ledger, 11, due=NOON, is_open=False)

    verdict = ledger.judge([], [], ROWS)

    assert verdict.is_good
    assert verdict.suppressed == 1


def test_who_was_told_another_date_last_is_misled(ledger):
    grant(ledger, 11, due=ONE)
    grant(ledger, 13, due=NOON)
    accepted = [mail(10.5), mail(12, message_id="<b>", due=ONE)]

    verdict = ledger.judge(accepted, [sent(10.5, checking_at=10.1), sent(12, message_id="<b>")], ROWS)

    assert verdict.lost == []
    assert len(verdict.misled) == 1


def test_a_message_that_comes_twice_without_a_mark_is_doubled(ledger):
    verdict = ledger.judge([mail(12), mail(14)], [sent(12), sent(14)], ROWS)

    assert len(verdict.doubled) == 1
    assert verdict.repeated == 0


def test_a_message_that_comes_twice_with_the_mark_is_repeated(ledger):
    accepted = [mail(12, message_id="<marked>"), mail(14, message_id="<marked>")]
    handings = [sent(12, message_id="<marked>"), sent(14, message_id="<marked>")]

    verdict = ledger.judge(accepted, handings, ROWS)

    assert verdict.is_good
    assert verdict.repeated == 1


def test_two_messages_for_a_due_date_that_was_set_once_are_doubled(ledger):
    verdict = ledger.judge([mail(12), mail(14, message_id="<b>")], [sent(12), sent(14, message_id="<b>")], ROWS)

    assert len(verdict.doubled) == 1


def test_two_messages_for_a_due_date_that_was_set_twice_are_as_they_should_be(ledger):
    grant(ledger, 13, due=ONE)
    grant(ledger, 13.2, due=NOON)

    verdict = ledger.judge([mail(12), mail(14, message_id="<b>")], [sent(12), sent(14, message_id="<b>")], ROWS)

    assert verdict.is_good


def test_a_message_whose_check_began_after_the_task_was_done_is_too_late(ledger):
    grant(ledger, 11, due=NOON, is_open=False)

    verdict = ledger.judge([mail(12)], [sent(12, checking_at=11.5)], ROWS)

    assert len(verdict.too_late) == 1


def test_a_message_whose_check_began_before_that_is_not(ledger):
    grant(ledger, 11, due=NOON, is_open=False)

    verdict = ledger.judge([mail(12)], [sent(12, checking_at=10.9)], ROWS)

    assert verdict.is_good


def test_a_message_that_no_worker_says_it_sent_is_told(ledger):
    verdict = ledger.judge([mail(12)], [], ROWS)

    assert len(verdict.too_late) == 1
