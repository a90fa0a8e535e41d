"""Claims under a lease: of many who claim, each row has one holder."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reminders.models import Delivery
from tests.at_once import at_once
from tests.factories import in_hours, make_delivery, make_task, make_user
from work.backoff import Patience
from work.claims import Holder, Turn, claim, claim_alone, hand_back, held, release, rescue

MINUTE = timedelta(minutes=1)
PATIENCE = Patience(attempts=3, first=timedelta(seconds=5), longest=timedelta(hours=1))


def claim_some(holder: Holder, *, limit: int = 10, turn: Turn | None = None) -> list[int]:
    return claim(Delivery, holder, limit=limit, lease=MINUTE, turn=turn or Turn(by="recipient_id"))


def rescue_lost() -> int:
    return rescue(Delivery, lease=MINUTE, patience=PATIENCE, longest_wait=timedelta(hours=1))


def let_leases_expire() -> None:
    Delivery.objects.filter(status="leased").update(lease_until=in_hours(-1))


@pytest.fixture
def delivery(alice) -> Delivery:
    return make_delivery(make_task(alice))


def test_a_claimed_row_is_leased_to_its_holder(delivery):
    holder = Holder()

    ids = claim_some(holder, limit=10)

    delivery.refresh_from_db()
    assert ids == [delivery.pk]
    assert (delivery.status, delivery.lease_token, delivery.lease_worker) == ("leased", holder.token, holder.worker)


def test_a_claimed_row_is_not_claimed_again(delivery):
    claim_some(Holder(), limit=10)

    assert claim_some(Holder(), limit=10) == []


def test_the_longest_due_are_claimed_first_and_no_more_than_asked_for(alice):
    later = make_delivery(make_task(alice), not_before=in_hours(-1))
    first = make_delivery(make_task(alice), not_before=in_hours(-2))

    ids = claim_some(Holder(), limit=1)

    assert ids == [first.pk]
    later.refresh_from_db()
    assert later.status == "queued"


def test_only_the_holder_can_end_a_claim(delivery):
    holder = Holder()
    claim_some(holder, limit=1)

    by_another = release(Delivery, delivery.pk, Holder(), "failed", status="failed", reason="x")
    by_the_holder = release(Delivery, delivery.pk, holder, "failed", status="failed", reason="x")

    assert (by_another, by_the_holder) == (False, True)


def test_a_row_is_held_until_it_is_released(delivery):
    holder = Holder()
    claim_some(holder, limit=1)

    before = held(Delivery, delivery.pk, holder).exists()
    release(Delivery, delivery.pk, holder, "parked", status="queued", reason="x")

    assert before is True
    assert not held(Delivery, delivery.pk, holder).exists()


def test_what_was_not_begun_is_handed_back(delivery):
    holder = Holder()
    ids = claim_some(holder, limit=1)

    hand_back(Delivery, ids, holder, "handed back")

    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("queued", 0)


def test_an_expired_lease_is_rescued_and_a_running_one_is_not(alice):
    expired, running = make_delivery(make_task(alice)), make_delivery(make_task(alice))
    claim_some(Holder(), limit=2)
    Delivery.objects.filter(pk=expired.pk).update(lease_until=in_hours(-1))

    rescued = rescue_lost()

    expired.refresh_from_db()
    running.refresh_from_db()
    assert rescued == 1
    assert (expired.status, running.status) == ("queued", "leased")


def test_many_who_claim_at_once_share_the_rows_without_overlap(committed_db):
    alice = make_user("alice")
    for _ in range(40):
        make_delivery(make_task(alice))

    claimed = at_once(lambda: claim_some(Holder(), limit=10), times=4)

    ids = [pk for batch in claimed for pk in batch]
    assert all(len(batch) <= 10 for batch in claimed)
    assert len(ids) == len(set(ids)) == 40


def test_a_history_keeps_its_beginning_and_its_end_and_stays_bounded(delivery):
    for _ in range(150):
        holder = Holder()
        claim_some(holder, limit=1)
        hand_back(Delivery, [delivery.pk], holder, "handed back")

    delivery.refresh_from_db()
    assert len(delivery.history) == 100
    assert delivery.history[0]["step"] == "claimed"
    assert delivery.history[-1]["step"] == "handed back"


def test_an_owner_with_one_row_is_served_beside_one_with_many(alice, bob):
    for _ in range(20):
        make_delivery(make_task(alice), not_before=in_hours(-2))
    lone = make_delivery(make_task(bob), not_before=in_hours(-1))

    ids = claim_some(Holder(), limit=2)

    assert lone.pk in ids
    assert len(ids) == 2


@pytest.mark.django_db
def test_owners_take_turns_from_claim_to_claim():
    for name in ("ann", "ben", "cat", "dan"):
        owner = make_user(name)
        for _ in range(3):
            make_delivery(make_task(owner))
    turn = Turn(by="recipient_id", after=0)

    served = [
        Delivery.objects.get(pk=pk).recipient.username
        for _ in range(3)
        for pk in claim_some(Holder(), limit=3, turn=turn)
    ]

    assert served == ["ann", "ben", "cat", "dan", "ann", "ben", "cat", "dan", "ann"]


def test_what_the_turns_leave_of_a_batch_goes_to_the_longest_due(alice, bob):
    make_delivery(make_task(bob))
    late = [make_delivery(make_task(alice), not_before=in_hours(-hours)).pk for hours in (9, 8, 7)]
    make_delivery(make_task(alice))

    ids = claim_some(Holder(), limit=4)

    assert set(late) < set(ids)


def test_an_owner_whose_rows_are_all_deferred_holds_nobody_up(alice, bob):
    make_delivery(make_task(alice), not_before=in_hours(1))
    due = make_delivery(make_task(bob))

    assert claim_some(Holder(), limit=1) == [due.pk]


def test_a_row_of_a_lost_run_goes_alone(alice):
    lost = make_delivery(make_task(alice))
    claim_some(Holder())
    let_leases_expire()
    rescue_lost()
    other = make_delivery(make_task(alice))

    assert claim_some(Holder()) == [other.pk]
    assert claim_alone(Delivery, Holder(), lease=MINUTE) == [lost.pk]


def test_a_lost_run_costs_a_row_among_others_no_attempt_and_no_time(delivery):
    due_at = delivery.not_before
    claim_some(Holder())
    let_leases_expire()

    rescue_lost()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts, delivery.not_before) == ("queued", 0, due_at)


def test_a_row_that_is_lost_alone_spends_an_attempt_each_time_and_fails_with_the_last(delivery):
    seen = []
    for _ in range(4):
        Delivery.objects.update(not_before=in_hours(-1))
        claim_some(Holder()) or claim_alone(Delivery, Holder(), lease=MINUTE)
        let_leases_expire()
        rescue_lost()
        delivery.refresh_from_db()
        seen.append((delivery.status, delivery.attempts))

    assert seen == [("queued", 0), ("queued", 1), ("queued", 2), ("failed", 3)]
    assert "was lost" in delivery.reason


def test_a_row_that_was_lost_alone_waits_before_the_next_attempt(delivery):
    Delivery.objects.update(alone=True)
    claim_alone(Delivery, Holder(), lease=MINUTE)
    let_leases_expire()

    rescue_lost()

    delivery.refresh_from_db()
    assert 3 < (delivery.not_before - timezone.now()).total_seconds() < 6


def test_a_row_that_a_run_has_ended_goes_with_others_again(delivery):
    Delivery.objects.update(alone=True)
    holder = Holder()
    claim_alone(Delivery, holder, lease=MINUTE)

    release(Delivery, delivery.pk, holder, "deferred", status="queued", reason="x")

    assert claim_some(Holder()) == [delivery.pk]


def test_a_clock_that_is_set_back_holds_no_row_for_longer_than_a_lease_or_a_wait(alice):
    leased, queued = make_delivery(make_task(alice)), make_delivery(make_task(alice), not_before=in_hours(30))
    claim_some(Holder())
    Delivery.objects.filter(pk=leased.pk).update(lease_until=in_hours(24))

    rescue_lost()

    leased.refresh_from_db()
    queued.refresh_from_db()
    assert leased.status == "leased"  # its run may be at work
    assert leased.lease_until <= timezone.now() + MINUTE
    assert queued.not_before <= timezone.now()
