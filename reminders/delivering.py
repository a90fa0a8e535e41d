"""From a queued delivery to an accepted message.

A run claims a batch of its own (work/claims.py) and hands one message after the other over, mostly on one connection:

    renew      one statement prolongs the lease, checks once more whether the message is still right, and freezes what
               it will say (reminders/last_check.py). A change that was committed before this is never announced.
    send       no transaction is open; the conversation runs in a thread of its own (reminders/conversations.py).
    release    compare-and-set on the token: queued again with backoff, failed, or suppressed; or sent, which is written
               down with the renewal of the next (reminders/outcomes.py).

A conversation that takes long holds nothing up: after 0.1 s the next message is begun on another connection, up to
EMAIL_CONNECTIONS in a process, and no more than five that wait for the same domain. In a worker, a job does not wait
for those that are left at its end: reminders/awaiting.py does.

Between the last byte of the message and the commit that says "sent" nobody can know whether it arrived. Such a delivery
is marked, and repeated with the same Message-ID and the same content. Nothing else is ever sent twice.
"""

from collections import Counter
from time import monotonic

from django.conf import settings

from reminders import awaiting, canary, outcomes
from reminders.channels import EMAIL
from reminders.conversations import (
    CheckAgain,
    Connection,
    Conversation,
    Ended,
    Event,
    Failed,
    Flight,
    ceiling,
    domain_of,
    slow_domains,
)
from reminders.last_check import Letter, lease, renew, settle_and_renew, suppress
from reminders.metrics import LATENESS
from reminders.models import Delivery
from work import breaker, stopping
from work.breaker import Admission
from work.claims import Holder, Turn, claim, claim_alone, hand_back, release
from work.failpoints import reached
from work.insisting import DATABASE_AWAY, insist

BUDGET_SECONDS = 10.0
"""A run begins no further message after so long, and hands back the rest: other jobs get their turn."""

GO_ON_SECONDS = 1.0
"""A job claims no further batch after so long: a sweep may be waiting for its process."""

PATIENCE_SECONDS = 1.0
"""At its end a run waits so long for the messages that are on their way: most are answered at once."""

turn = Turn(by="recipient_id")
"""Whose turn it is in this process."""


def deliver_batch(*, go_on: float = 0.0) -> dict[str, int]:
    """Claim what is due and hand it over, and for `go_on` seconds what is due then.

    Returns {"claimed": n, and how many came to each end}.
    """
    counts: Counter[str] = Counter()
    if awaiting.is_connecting() or awaiting.is_full():
        return counts
    admission = breaker.admit(EMAIL, probe_takes=lease())
    if admission is Admission.NONE:
        return counts
    run = Run(counts, probing=admission is Admission.PROBE)
    run.go(limit=1 if run.probing else settings.DELIVERY_BATCH_SIZE, go_on=go_on)
    is_probe_unused = run.probing and not run.has_begun  # what was claimed need not go any more
    if not run.has_failed and (is_probe_unused or (not counts["claimed"] and canary.is_visit_due())):
        canary.visit(is_probe=run.probing)
    return counts


class Run:
    """One job: it attends the connections, and begins a message whenever one of them can carry it."""

    def __init__(self, counts: Counter[str], *, probing: bool) -> None:
        self.counts = counts
        self.probing = probing
        self.has_failed = False
        """The transport: no further message is begun."""
        self.has_all = False
        """The server wants no more connections of ours than there are."""
        self.unsettled: Conversation | None = None
        """Was accepted, and is not written down yet."""
        self.has_begun = False
        """A message is, or was, on its way."""
        self.why_not_open = ""
        self.flight = Flight()

    def go(self, *, limit: int, go_on: float) -> None:
        """Hand over one batch, and more for a while; what has to go alone one after the other, for half of the time at
        most. A probe is one message of either kind, rather one that has not arrived for certain."""
        began = monotonic()
        until, until_alone = began + BUDGET_SECONDS, began + BUDGET_SECONDS / 2
        self.flight.adopt(awaiting.spare())
        try:
            is_over = awaiting.is_stuck() and not self.flight.idle() and not self.wait_for_connection()
            while not is_over and self.may_go_on(until):
                holder = Holder()
                batch = self.claim_probe(holder) if self.probing else []
                alone = claim_alone(Delivery, holder, lease=lease()) if not batch and monotonic() < until_alone else []
                batch = batch or alone or claim(Delivery, holder, limit=limit, lease=lease(), turn=turn)
                self.hand_over_all(batch, holder, until=until)
                is_over = limit == 1 or not (alone or (batch and monotonic() < began + go_on))
        finally:
            self.finish()

    def claim_probe(self, holder: Holder) -> list[int]:
        return claim(Delivery, holder, limit=1, lease=lease(), turn=turn, only="unknown_outcomes = 0")

    def hand_over_all(self, batch: list[int], holder: Holder, *, until: float) -> None:
        """Begin each; whatever ends that, what was accepted is written down and the rest is handed back."""
        self.counts["claimed"] += len(batch)
        lease_over = monotonic() + lease().total_seconds()
        waiting, domains = list(batch), domains_of(batch)
        try:
            while waiting and self.may_go_on(until):
                pk = self.first_that_may_go(waiting, domains)
                connection = self.flight.idle()
                if pk is not None and connection is not None:
                    self.begin(pk, holder, connection)
                    waiting.remove(pk)
                elif not (self.wait_for_an_end() if pk is None else self.wait_for_connection()):
                    break
            if self.why_not_open and waiting:
                self.park_unchecked(waiting.pop(0), holder)
            if not waiting:
                self.wait_for_quick_ones()
        finally:
            self.settle()
            if waiting:
                self.put_back(waiting, domains, holder, until=lease_over)

    def put_back(self, waiting: list[int], domains: dict[int, str], holder: Holder, *, until: float) -> None:
        """What was not begun: at once, but for those whose domains have enough."""
        busy = [pk for pk in waiting if self.is_domain_busy(domains[pk])]
        rest = [pk for pk in waiting if pk not in busy]
        if rest:
            back = insist(lambda: hand_back(Delivery, rest, holder, "handed back", handing_over=False), until=until)
            self.counts["handed back"] += back
        if busy:
            self.counts["put off"] += insist(lambda: outcomes.put_off(busy, holder), until=until)

    def first_that_may_go(self, waiting: list[int], domains: dict[int, str]) -> int | None:
        return next((pk for pk in waiting if not self.is_domain_busy(domains[pk])), None)

    def may_go_on(self, until: float) -> bool:
        """Whether the run may begin another message: its time is not over, and the worker was not told to stop."""
        return monotonic() < until and not stopping.is_asked() and not self.has_failed

    def wait_for_connection(self) -> bool:
        """Attend until something happens; open a connection when nothing does. False: there will be none soon."""
        flight = self.flight
        self.settle()
        if not flight.connections:
            if self.has_all:
                return False
            flight.open(EMAIL, probing=self.probing)
        if not flight.conversations:
            event = flight.next_event(awaiting.CONNECTING_SECONDS)
            self.handle(event)
            return event is not None
        event = flight.next_event(max(0.0, flight.moved_at + settings.DELIVERY_SLOW_SECONDS - monotonic()))
        if event is None and self.may_open():
            flight.open(EMAIL, probing=self.probing)
            return True
        if event is None:
            return self.wait_for_an_end()
        self.handle(event)
        return True

    def wait_for_an_end(self) -> bool:
        """Attend until something happens. False: nothing does, or nothing is under way here."""
        self.settle()
        event = self.flight.next_event(PATIENCE_SECONDS) if self.flight.conversations else None
        self.handle(event)
        return event is not None

    def may_open(self) -> bool:
        in_use = len(self.flight.connections) + awaiting.connections()
        return not (self.has_all or self.probing or self.flight.is_connecting) and in_use < ceiling.most

    def wait_for_quick_ones(self) -> None:
        """Most messages are answered at once."""
        self.settle()
        while self.flight.conversations:
            event = self.flight.next_event(max(0.0, self.flight.moved_at + PATIENCE_SECONDS - monotonic()))
            if event is None:
                return
            self.handle(event)

    def begin(self, pk: int, holder: Holder, connection: Connection) -> None:
        letter = self.last_check(pk, holder, connection)
        if letter is None:
            self.counts["left alone"] += 1
        else:
            self.has_begun = True
            self.flight.begin(letter, holder, connection, probing=self.probing)

    def is_domain_busy(self, domain: str) -> bool:
        conversations = [*self.flight.conversations, *awaiting.conversations()]
        slow = slow_domains(conversations, after=settings.DELIVERY_SLOW_SECONDS)
        return slow.count(domain) >= settings.DELIVERY_SLOW_PER_DOMAIN

    def last_check(self, pk: int, holder: Holder, connection: Connection) -> Letter | None:
        """The letter as it may go now; None if it may not, or is not ours any more."""
        while True:
            letter = self.settle_and_check(pk, holder, connection) or renew(pk, holder, [connection.channel])
            if letter is None:
                return None
            if not letter.why:
                return letter
            if suppress(letter, holder):
                return None

    def settle_and_check(self, pk: int, holder: Holder, connection: Connection) -> Letter | None:
        """The check of the next message, with the end of the last one in the same statement; None if there is none.

        None, too, if PostgreSQL was lost: then the last one comes to its end by itself, over a new connection.
        """
        accepted = self.unsettled
        if accepted is None or accepted.holder != holder:
            self.settle()
            return None
        try:
            settled = settle_and_renew(accepted.letter, pk, holder, [connection.channel])
        except DATABASE_AWAY:
            self.settle()
            return None
        self.unsettled = None
        if settled.is_ours:
            LATENESS.observe(accepted.letter.late_now)
        if settled.is_news:
            outcomes.note_acceptance(connection.channel)
        return settled.next

    def settle(self) -> None:
        accepted, self.unsettled = self.unsettled, None
        if accepted is not None:
            outcomes.settle(accepted.letter, accepted.holder)
            outcomes.note_acceptance(accepted.letter.channel)

    def handle(self, event: Event | None) -> None:
        match event:
            case Failed():
                self.could_not_open(event)
            case Ended():
                self.has_ended(event.about)
            case CheckAgain():
                self.settle()
                outcomes.check_again(event.about)

    def has_ended(self, conversation: Conversation) -> None:
        try:
            self.settle()
        finally:  # whatever became of the one before
            self.note_end(conversation)

    def note_end(self, conversation: Conversation) -> None:
        if conversation.error is None:
            reached("message accepted", id=conversation.letter.id)
            self.unsettled = conversation
            self.counts["sent"] += 1
            if not conversation.connection.has_answered:
                self.settle()  # the first of a connection at once: whoever waits for a sign has one
                outcomes.note_answer(conversation)
            return
        outcome = outcomes.conclude(conversation)
        self.counts[outcome.word] += 1
        self.has_failed = self.has_failed or outcome.ends_run

    def could_not_open(self, failed: Failed) -> None:
        """No connection: the transport's failure, unless others are open; then the server wants no more of us."""
        if awaiting.could_not_open(failed):
            self.has_failed = True
            self.why_not_open = str(failed.error)
        else:
            self.has_all = True

    def park_unchecked(self, pk: int, holder: Holder) -> None:
        """One of what was claimed shows in its history why nothing went."""
        release(Delivery, pk, holder, "parked", status=Delivery.QUEUED, reason=self.why_not_open)
        self.counts["parked"] += 1

    def finish(self) -> None:
        """Let the connections go that carry nothing; those that are on the way are waited for elsewhere, or here."""
        try:
            self.settle()
        finally:
            try:
                self.flight.close()
            finally:
                awaiting.take(self.flight)


def domains_of(batch: list[int]) -> dict[int, str]:
    """The domain of each one's recipient, as far as is known before the last check."""
    addresses = Delivery.objects.filter(pk__in=batch).values_list("pk", "recipient__email")
    return dict.fromkeys(batch, "") | {pk: domain_of(address) for pk, address in addresses}
