"""From a queued delivery to an accepted message.

A run claims a batch of its own (work/claims.py) and hands one message after the other over, on one connection:

    renew      one statement prolongs the lease, checks once more whether the message is still right, and freezes what
               it will say (reminders/last_check.py). A change that was committed before this is never announced.
    send       no transaction is open; a total deadline, under half the lease, ends a conversation that dribbles.
    release    compare-and-set on the token: queued again with backoff, failed, or suppressed; or sent, which is written
               down with the renewal of the next.

Between the last byte of the message and that write nobody can know whether it arrived. Such a delivery is marked
`unknown_outcome` and repeated with the same Message-ID and the same content. Nothing else is ever sent twice.

What an answer about the recipient means, the delivery bears: it spends an attempt. What the way there means
(refused, silent, closing), the transport bears: after three connections that carried nothing, a breaker parks
everything that is queued, and nobody loses an attempt. A message on which connections break while others get through
is the one that bears it.
"""

from collections import Counter
from datetime import timedelta
from time import monotonic

import structlog
from django.conf import settings

from reminders import canary
from reminders.channels import EMAIL
from reminders.channels.base import DeliveryError, TransportError
from reminders.last_check import Letter, end, lease, renew, settle_and_renew, suppress
from reminders.metrics import LATENESS
from reminders.models import Delivery
from reminders.post import Post
from work import bell, breaker, stopping
from work.backoff import Patience
from work.breaker import Admission
from work.claims import Holder, Turn, claim, claim_alone, hand_back
from work.failpoints import reached
from work.insisting import DATABASE_AWAY, insist
from work.step import clock

log = structlog.get_logger("reminders")

BUDGET_SECONDS = 10.0
"""A run begins no further message after so long, and hands back the rest: other jobs get their turn."""

GO_ON_SECONDS = 1.0
"""A job claims no further batch after so long: a sweep may be waiting for its process."""

turn = Turn(by="recipient_id")
"""Whose turn it is in this process."""


def deliver_batch(*, go_on: float = 0.0) -> dict[str, int]:
    """Claim what is due and hand it over, and for `go_on` seconds what is due then.

    Returns {"claimed": n, and how many came to each end}.
    """
    counts: Counter[str] = Counter()
    admission = breaker.admit(EMAIL, probe_takes=lease())
    if admission is Admission.NONE:
        return counts
    is_probe = admission is Admission.PROBE
    try:
        with Post() as post:
            run(post, counts, limit=1 if is_probe else settings.DELIVERY_BATCH_SIZE, go_on=go_on)
    except TransportError as error:
        breaker.trip(EMAIL, str(error), carrying=error.carrying, probing=is_probe)
        return counts
    is_probe_unused = is_probe and breaker.is_open(EMAIL)  # what was claimed need not go any more
    if is_probe_unused or (not counts["claimed"] and canary.is_visit_due()):
        canary.visit(is_probe=is_probe)
    return counts


def run(post: Post, counts: Counter[str], *, limit: int, go_on: float) -> None:
    """Hand over one batch, and more for a while; what has to go alone one after the other, for half of the time at
    most. A probe is one message of either kind."""
    began = monotonic()
    until, until_alone = began + BUDGET_SECONDS, began + BUDGET_SECONDS / 2
    is_over = False
    while not is_over and may_go_on(until):
        holder = Holder()
        alone = claim_alone(Delivery, holder, lease=lease()) if monotonic() < until_alone else []
        batch = alone or claim(Delivery, holder, limit=limit, lease=lease(), turn=turn)
        hand_over_all(batch, holder, post, counts, until=until)
        is_over = limit == 1 or not (alone or (batch and monotonic() < began + go_on))


def hand_over_all(batch: list[int], holder: Holder, post: Post, counts: Counter[str], *, until: float) -> None:
    """One after the other; whatever ends that, what was accepted is written down and the rest is handed back."""
    counts["claimed"] += len(batch)
    lease_over = monotonic() + lease().total_seconds()
    waiting = list(batch)
    try:
        while waiting and may_go_on(until):
            counts[hand_over(waiting.pop(0), holder, post)] += 1
    finally:
        if post.unsettled:
            settle(post.unsettled, holder, post)
        if waiting:
            counts["handed back"] += insist(lambda: hand_back(Delivery, waiting, holder), until=lease_over)


def may_go_on(until: float) -> bool:
    """Whether the run may begin another message: its time is not over, and the worker was not told to stop."""
    return monotonic() < until and not stopping.is_asked()


def hand_over(pk: int, holder: Holder, post: Post) -> str:
    """Bring one claimed delivery to an end or back into the queue; return the word for what became of it.

    One that was sent is written down with the next one's last check, or at the end of the batch.

    A TransportError is passed on after the delivery was put back, unless the connection has carried something before:
    a server may close after so many messages, and the next one gets a new connection.
    """
    letter = last_check(pk, holder, post)
    if letter is None:
        return "left alone"
    try:
        post.send(letter.channel, letter.message(), give_up_at=letter.give_up_at)
    except DeliveryError as error:
        word = refuse(letter, holder, str(error), permanent=error.permanent)
        if post.prove(letter.channel, accepted=False):  # whoever answers about a recipient works
            breaker.close(letter.channel)
        return word
    except TransportError as error:
        park(letter, holder, error)
        if not post.drop(letter.channel):
            raise
        return "parked"
    except Exception as error:  # a defect of ours with this one message must not stop the others
        log.exception("delivery broke", id=letter.id)
        return refuse(letter, holder, f"internal error: {type(error).__name__}", permanent=False)
    reached("message accepted", id=letter.id)
    post.unsettled = letter
    if post.prove(letter.channel, accepted=True):
        settle(letter, holder, post)
        breaker.close(letter.channel, accepted=True)
        bell.answer(canary.MAIL)
    return "sent"


def last_check(pk: int, holder: Holder, post: Post) -> Letter | None:
    """The letter as it may go now, over a channel that is open; None if it may not, or is not ours any more.

    Connecting takes time, so it comes before the check that counts.
    """
    while True:
        letter = settle_and_check(pk, holder, post) or renew(pk, holder, post.channels)
        if letter is None:
            return None
        if letter.why:
            if suppress(letter, holder):
                return None
        elif letter.channel in post.channels:
            reached("delivery checked", id=pk)
            return letter
        else:
            try:
                post.open(letter.channel)
            except TransportError as error:
                park(letter, holder, error)
                raise


def settle_and_check(pk: int, holder: Holder, post: Post) -> Letter | None:
    """The check of the next message, with the end of the last one in the same statement; None if there is none.

    None, too, if PostgreSQL was lost: then the last one comes to its end by itself, over a new connection.
    """
    accepted = post.unsettled
    if accepted is None:
        return None
    try:
        is_ours, letter = settle_and_renew(accepted, pk, holder, post.channels)
    except DATABASE_AWAY:
        settle(accepted, holder, post)
        return None
    post.unsettled = None
    if is_ours:
        LATENESS.observe(accepted.late_now)
    return letter


def settle(letter: Letter, holder: Holder, post: Post) -> None:
    """The channel's server has accepted the message."""
    facts = letter.arrival()
    is_ours = end(letter, holder, "sent", status=Delivery.Status.SENT, sent_at=clock(), facts=facts)
    post.unsettled = None
    if is_ours:
        LATENESS.observe(letter.late_now)


def refuse(letter: Letter, holder: Holder, text: str, *, permanent: bool) -> str:
    """An answer about this message: later, with backoff; or never, when it is final or the attempts are spent."""
    attempts = letter.attempts + 1
    delay = None if permanent else patience().after(attempts)
    if delay is None:
        reason = text if permanent else f"{attempts} attempts; the last: {text}"
        end(letter, holder, "failed", status=Delivery.Status.FAILED, reason=reason, spends_attempt=True)
        return "failed"
    facts = {"attempt": attempts, "again_in_seconds": delay.total_seconds()}
    end(
        letter, holder, "deferred", status=Delivery.QUEUED, reason=text, later=delay, facts=facts,
        spends_attempt=True,
    )  # fmt: skip
    return "deferred"


def park(letter: Letter, holder: Holder, error: TransportError) -> None:
    """The way there does not work: back into the queue, at nobody's cost, until the breaker's next probe.

    A message that was on its way lets others go first. Where a connection broke on it before and has carried others
    since, it is the message's own doing: that is an attempt, as if its recipient had answered "not now".
    """
    changes = {"reason": str(error), "unknown_outcome": letter.unknown_outcome or error.unknown}
    name = "outcome unknown" if error.unknown else "parked"
    if not error.carrying:
        end(letter, holder, name, status=Delivery.QUEUED, **changes)
    elif others_got_through(letter):
        delay = patience().after(letter.attempts + 1)
        status = Delivery.FAILED if delay is None else Delivery.QUEUED
        end(letter, holder, name, status=status, later=delay, broke_at=clock(), spends_attempt=True, **changes)
    else:
        delay = pause(letter.broke_ago, longest=patience().longest if error.unknown else breaker.LONGEST)
        end(letter, holder, name, status=Delivery.QUEUED, later=delay, broke_at=clock(), **changes)


def others_got_through(letter: Letter) -> bool:
    """Whether the channel has carried others since a connection broke on this message the last time."""
    broke_ago = letter.broke_ago
    return broke_ago is not None and insist(
        lambda: breaker.accepted_within(letter.channel, seconds=broke_ago), until=letter.lease_over
    )


def pause(broke_ago: float | None, *, longest: timedelta) -> timedelta:
    """Twice as long as it was since the connection broke the last time."""
    return max(patience().first, min(timedelta(seconds=2 * (broke_ago or 0)), longest))


def patience() -> Patience:
    return Patience(
        attempts=settings.DELIVERY_MAX_ATTEMPTS,
        first=timedelta(seconds=settings.DELIVERY_BACKOFF_SECONDS),
        longest=timedelta(seconds=settings.DELIVERY_BACKOFF_MAX_SECONDS),
    )
