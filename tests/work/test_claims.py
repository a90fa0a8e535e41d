"""Claims under a lease: of many who claim, each row has one holder."""

from datetime import timedelta

import pytest

from reminders.models import Delivery
from tests.at_once import at_once
from tests.factories import in_hours, make_delivery, make_task, make_user
from work.claims import Holder, claim, hand_back, held, release, rescue

MINUTE = timedelta(minutes=1)


@pytest.fixture
def delivery(alice) -> Delivery:
    return make_delivery(make_task(alice))


def test_a_claimed_row_is_leased_to_its_holder(delivery):
    holder = Holder()

    ids = claim(Delivery, holder, limit=10, lease=MINUTE)

    delivery.refresh_from_db()
    assert ids == [delivery.pk]
    assert (delivery.status, delivery.lease_token, delivery.lease_worker) == ("leased", holder.token, holder.worker)


def test_a_claimed_row_is_not_claimed_again(delivery):
    claim(Delivery, Holder(), limit=10, lease=MINUTE)

    assert claim(Delivery, Holder(), limit=10, lease=MINUTE) == []


def test_the_longest_due_are_claimed_first_and_no_more_than_asked_for(alice):
    later = make_delivery(make_task(alice), not_before=in_hours(-1))
    first = make_delivery(make_task(alice), not_before=in_hours(-2))

    ids = claim(Delivery, Holder(), limit=1, lease=MINUTE)

    assert ids == [first.pk]
    later.refresh_from_db()
    assert later.status == "queued"


def test_only_the_holder_can_end_a_claim(delivery):
    holder = Holder()
    claim(Delivery, holder, limit=1, lease=MINUTE)

    by_another = release(Delivery, delivery.pk, Holder(), "failed", status="failed", reason="x")
    by_the_holder = release(Delivery, delivery.pk, holder, "failed", status="failed", reason="x")

    assert (by_another, by_the_holder) == (False, True)


def test_a_row_is_held_until_it_is_released(delivery):
    holder = Holder()
    claim(Delivery, holder, limit=1, lease=MINUTE)

    before = held(Delivery, delivery.pk, holder).exists()
    release(Delivery, delivery.pk, holder, "parked", status="queued", reason="x")

    assert before is True
    assert not held(Delivery, delivery.pk, holder).exists()


def test_what_was_not_begun_is_handed_back(delivery):
    holder = Holder()
    ids = claim(Delivery, holder, limit=1, lease=MINUTE)

    hand_back(Delivery, ids, holder)

    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("queued", 0)


def test_an_expired_lease_is_rescued_and_a_running_one_is_not(alice):
    expired, running = make_delivery(make_task(alice)), make_delivery(make_task(alice))
    claim(Delivery, Holder(), limit=2, lease=MINUTE)
    Delivery.objects.filter(pk=expired.pk).update(lease_until=in_hours(-1))

    rescued = rescue(Delivery)

    expired.refresh_from_db()
    running.refresh_from_db()
    assert rescued == 1
    assert (expired.status, running.status) == ("queued", "leased")


def test_many_who_claim_at_once_share_the_rows_without_overlap(committed_db):
    alice = make_user("alice")
    for _ in range(40):
        make_delivery(make_task(alice))

    claimed = at_once(lambda: claim(Delivery, Holder(), limit=10, lease=MINUTE), times=4)

    ids = [pk for batch in claimed for pk in batch]
    assert all(len(batch) <= 10 for batch in claimed)
    assert len(ids) == len(set(ids)) == 40


def test_a_history_keeps_its_beginning_and_its_end_and_stays_bounded(delivery):
    for _ in range(150):
        holder = Holder()
        claim(Delivery, holder, limit=1, lease=MINUTE)
        hand_back(Delivery, [delivery.pk], holder)

    delivery.refresh_from_db()
    assert len(delivery.history) == 100
    assert delivery.history[0]["step"] == "claimed"
    assert delivery.history[-1]["step"] == "handed back"
