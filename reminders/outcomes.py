"""What becomes of a delivery: sent, refused, parked. Each end is a compare-and-set on the lease.

Whom a failure counts against
-----------------------------
A reply about the recipient counts against the delivery: an attempt. A failure of the transport counts against the
transport: three in a row open the circuit (work/breaker.py), and no delivery loses an attempt. Neither is believed
blindly, since replies are written by people and connections break for many reasons:

    a message on which the transport failed before, while others    is the one that fails: an attempt, and the
    got through since                                               transport is not blamed
    three different recipients refused in a row, nobody accepted    the circuit opens; they are queued again, with the
                                                                    attempts that this cost
    a recipient refused again, while others were accepted since     is believed, and counts for no row of refusals

Unknown outcomes
----------------
A message may have arrived when the connection, the worker or the database was lost after it had gone out in full. Such
a delivery is repeated after 1 min, 10 min, 1 h, 4 h and 12 h (DELIVERY_REPEAT_SECONDS) under the same Message-ID and
with the same content; the next unknown outcome is the last. Spread like that they outlast a bad night.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from time import monotonic

import structlog
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest

from reminders.channels.base import DeliveryError, TransportError, Withdrawn
from reminders.channels.replies import is_greylisting
from reminders.conversations import Conversation, Failed, ceiling
from reminders.last_check import Letter, end, renew, suppress
from reminders.metrics import LATENESS
from reminders.models import Delivery
from work import bell, breaker
from work.backoff import Patience
from work.breaker import Refusals
from work.claims import Holder, hand_back
from work.failpoints import reached
from work.insisting import DATABASE_AWAY, insist
from work.step import clock, in_, noted, step

MAIL = "mail server"
"""The bell that the mail server answers."""

log = structlog.get_logger("reminders")

MAY_HAVE_ARRIVED = "may have arrived; not repeated any more"

EVERYBODY_REFUSED = "the mail server refused everybody"

_accepted_at = -inf
"""When something was last accepted in this process. A conversation that began before, and breaks now, is late news."""

DOMAIN_IS_SLOW = "other messages wait for this recipient's domain"

PUT_OFF = timedelta(seconds=15)

AWAITS_REPEAT = "coalesce(unknown_outcomes > 0 AND broke_at >= handed_over_at, FALSE)"
"""SQL: what a queued delivery waits for is the repeat after an unknown outcome."""


@dataclass(frozen=True)
class Outcome:
    """What became of a conversation."""

    word: str
    """For the counts of a run."""
    ends_run: bool = False
    """The transport failed: no further message is begun now."""


def conclude(ended: Conversation) -> Outcome:
    """Write down how a conversation has ended."""
    letter, holder = ended.letter, ended.holder
    match ended.error:
        case None:
            reached("message accepted", id=letter.id)
            settle(letter, holder)
            note_acceptance(letter.channel)
            note_answer(ended)
            return Outcome("sent")
        case Withdrawn():
            return withdraw(letter, holder)
        case DeliveryError() as error:
            word = refuse(letter, holder, error, probing=ended.probing)
            if error.from_server:
                note_answer(ended)
            return Outcome(word, ends_run=word == "parked")
        case TransportError() as error if ended.is_broken_off or error.by_us:
            return put_back(letter, holder, error)
        case TransportError() as error if error.too_many and ceiling.lower():
            end(letter, holder, "handed back", status=Delivery.QUEUED, reason=str(error), later=patience().first)
            return Outcome("handed back")
        case TransportError() as error:
            is_transports = park(letter, holder, error)
            if is_transports and not (ended.connection.has_answered or ended.began_at < _accepted_at):
                is_open = breaker.trip(letter.channel, str(error), carrying=error.carrying, probing=ended.probing)
                # One that broke with a message on it may be that message's doing: the next one shows.
                return Outcome("parked", ends_run=is_open or not error.carrying)
            return Outcome("parked")
        case error:  # a defect of ours with this one message must not stop the others
            log.error("delivery broke", id=letter.id, exc_info=error)
            return Outcome(spend_attempt(letter, holder, f"internal error: {type(error).__name__}", is_final=False))


def note_answer(answered: Conversation) -> None:
    """The first answer about a message on a connection shows that the mail server is there."""
    if not answered.connection.has_answered:
        answered.connection.has_answered = True
        bell.answer(MAIL)


def could_not_open(failed: Failed, *, channel: str) -> None:
    """The transport cannot be reached. Passes on what is no TransportError: a defect of ours."""
    if not isinstance(failed.error, TransportError):
        raise failed.error
    breaker.trip(channel, str(failed.error), probing=failed.about.probing)


def check_again(conversation: Conversation) -> None:
    """The last check was long ago and nothing has gone out yet: whether the message is still right as it is."""
    letter = conversation.letter
    try:
        again = renew(letter.id, conversation.holder, [letter.channel])
    except DATABASE_AWAY:
        conversation.answer(may_go=False)
        raise
    if again is None:  # the lease is lost
        conversation.answer(may_go=False)
        return
    conversation.letter = again
    is_as_it_was = not again.why and (again.address, again.content) == (letter.address, letter.content)
    conversation.answer(may_go=is_as_it_was)


def withdraw(letter: Letter, holder: Holder) -> Outcome:
    """It is not wanted any more; or says something else by now, and then comes back at once."""
    if letter.why and suppress(letter, holder):
        return Outcome("left alone")
    end(letter, holder, "handed back", status=Delivery.QUEUED, keeps_alone=True)
    return Outcome("handed back")


def put_back(letter: Letter, holder: Holder, error: TransportError) -> Outcome:
    """We have broken the conversation off, which tells nothing about the other side."""
    if error.unknown:
        repeat(letter, holder, error, broke_at=breaker.broke(letter.channel), spends_attempt=False)
    else:
        end(letter, holder, "handed back", status=Delivery.QUEUED, keeps_alone=True)
    return Outcome("handed back")


def put_off(ids: list[int], holder: Holder) -> int:
    """Enough messages wait for the recipients' domains. Rows that this run claimed and has not begun."""
    return hand_back(
        Delivery, ids, holder, "put off", reason=DOMAIN_IS_SLOW, later=PUT_OFF, handing_over=False
    )  # fmt: skip


def settle(letter: Letter, holder: Holder) -> bool:
    """The channel's server has accepted the message. Whether the row was still ours."""
    facts = letter.arrival()
    is_ours = end(letter, holder, "sent", status=Delivery.Status.SENT, sent_at=clock(), facts=facts)
    if is_ours:
        LATENESS.observe(letter.late_now)
    return is_ours


def note_acceptance(channel: str) -> None:
    """The transport works. Where it was believed not to, nobody waits any longer than they have to."""
    global _accepted_at
    _accepted_at = monotonic()
    last_at = breaker.last_accepted_at(channel)
    if breaker.close(channel, accepted=True):
        end_waits(channel, since=last_at)


def note_reachable(channel: str) -> None:
    """The transport can be reached, and nothing was carried."""
    last_at = breaker.last_accepted_at(channel)
    if breaker.reached(channel, is_idle=not waits(channel)):
        end_waits(channel, since=last_at)


def waits(channel: str) -> bool:
    """Whether anything waits that a probe could carry soon."""
    soon = in_(breaker.LONGEST)
    return Delivery.objects.filter(status=Delivery.Status.QUEUED, channel=channel, not_before__lt=soon).exists()


END_WAITS = f"""
    UPDATE reminders_delivery SET not_before = clock_timestamp()  -- index: delivery_queued
    WHERE status = 'queued' AND channel = %(channel)s AND not_before > statement_timestamp() AND NOT {AWAITS_REPEAT}
      AND (%(since)s::timestamptz IS NULL OR handed_over_at > %(since)s)
"""  # noqa: S608 (a constant of this module)


def end_waits(channel: str, *, since: datetime | None) -> None:
    """Let what was tried since something was last accepted go at once: the transport was what failed.

    Not what may have arrived: those repeats are few, and spread on purpose.
    """
    with connection.cursor() as cursor:
        cursor.execute(END_WAITS, {"channel": channel, "since": since})
        step("delivery", "hurried", rows=cursor.rowcount)


def refuse(letter: Letter, holder: Holder, error: DeliveryError, *, probing: bool) -> str:
    """A reply about this message: later, with backoff; or never, when it is final or the attempts are spent."""
    if not error.from_server:
        return spend_attempt(letter, holder, str(error), is_final=error.permanent)
    if letter.refused_at is not None and accepted_since(letter, letter.refused_at):
        return spend_attempt(letter, holder, str(error), is_final=error.permanent, refused_at=clock())
    if is_greylisting(str(error)):
        return spend_attempt(letter, holder, str(error), is_final=error.permanent)
    refusals = insist(
        lambda: breaker.refuse(letter.channel, str(error), of=letter.recipient_id, probing=probing),
        until=letter.lease_over,
    )
    if refusals.has_closed:
        end_waits(letter.channel, since=breaker.last_accepted_at(letter.channel))
    if not refusals.are_everybodys:
        return spend_attempt(letter, holder, str(error), is_final=error.permanent, refused_at=refusals.at)
    queue_again(letter.channel, refusals)
    end(
        letter, holder, "parked", status=Delivery.QUEUED, reason=str(error), later=patience().first,
        refused_at=refusals.at,
    )  # fmt: skip
    return "parked"


def queue_again(channel: str, refusals: Refusals) -> None:
    """Take back what the first refusals of this row have cost: the recipients were not wrong."""
    refused = Delivery.objects.filter(  # index: delivery_recipient
        recipient__in=refusals.recipients, channel=channel, refused_at__gte=refusals.began_at
    )
    rows = refused.filter(status=Delivery.Status.FAILED).update(
        status=Delivery.QUEUED, reason=EVERYBODY_REFUSED, attempts=Greatest(F("attempts") - 1, 0), not_before=clock(),
        history=noted("queued again", reason=EVERYBODY_REFUSED),
    )  # fmt: skip
    step("delivery", "queued again", rows=rows)


def spend_attempt(letter: Letter, holder: Holder, text: str, *, is_final: bool, **columns: object) -> str:
    attempts = letter.attempts + 1
    delay = None if is_final else patience().after(attempts)
    if delay is None:
        reason = text if is_final else f"{attempts} attempts; the last: {text}"
        end(letter, holder, "failed", status=Delivery.Status.FAILED, reason=reason, spends_attempt=True, **columns)
        return "failed"
    facts = {"attempt": attempts, "again_in_seconds": delay.total_seconds()}
    end(
        letter, holder, "deferred", status=Delivery.QUEUED, reason=text, later=delay, facts=facts,
        spends_attempt=True, **columns,
    )  # fmt: skip
    return "deferred"


def park(letter: Letter, holder: Holder, error: TransportError) -> bool:
    """The transport failed: back into the queue, until the circuit closes. Whether the transport is to blame.

    It is not where it failed on this message before and has carried others since: that is an attempt, as if the
    recipient had answered "not now". A message that was on its way lets others go first.
    """
    if not error.carrying:
        end(letter, holder, "parked", status=Delivery.QUEUED, reason=str(error))
        return True
    is_its_own = not error.by_reply and letter.broke_at is not None and accepted_since(letter, letter.broke_at)
    broke_at = insist(lambda: breaker.broke(letter.channel), until=letter.lease_over)
    if error.unknown:
        repeat(letter, holder, error, broke_at=broke_at, spends_attempt=is_its_own)
    elif is_its_own:
        spend_attempt(letter, holder, str(error), is_final=False, broke_at=broke_at)
    else:
        end(
            letter, holder, "parked", status=Delivery.QUEUED, reason=str(error), later=patience().first,
            broke_at=broke_at,
        )  # fmt: skip
    return not is_its_own


def repeat(letter: Letter, holder: Holder, error: TransportError, *, broke_at: datetime, spends_attempt: bool) -> None:
    """The message may have arrived: again after the next wait, or, after the last of them, never."""
    known = letter.unknown_outcomes
    is_last = known >= len(repeats())
    later = None if is_last else repeats()[known]
    reason = f"{MAY_HAVE_ARRIVED}: {error}" if is_last else str(error)
    facts = {"times": known + 1, **({} if later is None else {"again_in_seconds": later.total_seconds()})}
    end(
        letter, holder, "outcome unknown", status=Delivery.Status.FAILED if is_last else Delivery.QUEUED, reason=reason,
        later=later, facts=facts, broke_at=broke_at, unknown_outcome=True, unknown_outcomes=known + 1,
        spends_attempt=spends_attempt,
    )  # fmt: skip


def accepted_since(letter: Letter, moment: datetime) -> bool:
    return insist(lambda: breaker.accepted_since(letter.channel, moment), until=letter.lease_over)


def repeats() -> list[timedelta]:
    """How long is waited before a message is repeated that may have arrived: after the first unknown outcome, …"""
    return [timedelta(seconds=int(seconds)) for seconds in settings.DELIVERY_REPEAT_SECONDS.split(",")]


def patience() -> Patience:
    return Patience(
        attempts=settings.DELIVERY_MAX_ATTEMPTS,
        first=timedelta(seconds=settings.DELIVERY_BACKOFF_SECONDS),
        longest=timedelta(seconds=settings.DELIVERY_BACKOFF_MAX_SECONDS),
    )
