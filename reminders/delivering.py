"""From a queued delivery to an accepted message.

A run claims a batch of its own (work/claims.py) and hands one message after the other over, on one connection:

    renew      one statement prolongs the lease, checks once more whether the message is still right, and freezes what
               it will say. A change that was committed before this is never announced.
    send       no transaction is open; a total deadline, under half the lease, ends a conversation that dribbles.
    release    compare-and-set on the token: sent, queued again with backoff, failed, or suppressed.

Between the last byte of the message and `release` nobody can know whether it arrived. Such a delivery is marked
`unknown_outcome` and repeated with the same Message-ID and the same content. Nothing else is ever sent twice.

What an answer about the recipient means, the delivery bears: it spends an attempt. What the way there means
(refused, silent, closing), the transport bears: a breaker parks everything that is queued, and nobody loses an attempt.
"""

import contextlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from time import monotonic
from typing import Any, Self

import structlog
from django.conf import settings
from django.db import connection, transaction

from accounts.unsubscribe import unsubscribe_url
from reminders.channels import CHANNELS, EMAIL
from reminders.channels.base import DeliveryError, Message, Session, TransportError
from reminders.metrics import LATENESS
from reminders.models import Delivery
from taskapp.models import Task
from work import breaker, stopping
from work.backoff import delay_after
from work.claims import Holder, claim, hand_back, release
from work.failpoints import reached
from work.step import clock, step

log = structlog.get_logger("reminders")

BUDGET_SECONDS = 10.0
"""A run begins no further message after so long, and hands back the rest: other jobs get their turn."""

SEND_SHARE = 0.45
"""What part of a lease, from its last renewal, sending may take."""

PUT_OFF = timedelta(seconds=5)

NOT_THE_OWNER = "the task belongs to somebody else now"

QUEUE_FOR_OWNER = """
    INSERT INTO reminders_delivery (reminder_id, recipient_id, channel, status, history)
    SELECT reminder.id, task.owner_id, delivery.channel, 'queued', work_note('[]', 'queued', '{}')
    FROM reminders_delivery AS delivery
    JOIN reminders_reminder AS reminder ON reminder.id = delivery.reminder_id
    JOIN taskapp_task AS task ON task.id = reminder.task_id
    WHERE delivery.id = %(id)s
    ON CONFLICT (reminder_id, recipient_id, channel) DO NOTHING
"""

# Locks only the delivery. `why` is empty when the message may go.
RENEW = f"""
    UPDATE reminders_delivery AS delivery
    SET lease_until = clock_timestamp() + %(lease)s,
        handing_over = (checked.why = '' AND delivery.channel = ANY(%(channels)s)),
        message_id = CASE WHEN delivery.message_id = '' THEN format('<%%s@%%s>', delivery.event_id, %(domain)s::text)
                          ELSE delivery.message_id END,
        address = CASE WHEN delivery.unknown_outcome THEN delivery.address ELSE checked.email END,
        content = CASE WHEN delivery.unknown_outcome THEN delivery.content ELSE checked.content END
    FROM (
        SELECT own.id, task.id AS task_id, account.email,
               greatest(reminder.remind_at, reminder.created_at) AS wanted_at,
               jsonb_build_object('title', task.title, 'description', task.description, 'due_at', task.due_at,
                                  'all_day', task.all_day, 'zone', task.timezone) AS content,
               CASE WHEN task.deleted_at IS NOT NULL THEN 'the task was deleted'
                    WHEN task.status = 'done' THEN 'the task was done'
                    WHEN task.due_at IS NULL THEN 'the due date was removed'
                    WHEN task.due_at <> reminder.due_at THEN 'the due date was moved'
                    WHEN task.owner_id <> own.recipient_id THEN '{NOT_THE_OWNER}'
                    WHEN NOT account.is_active THEN 'the account is inactive'
                    WHEN reminder.status = 'cancelled' THEN reminder.reason
                    WHEN NOT coalesce(preference.email_enabled, TRUE) THEN 'unsubscribed'
                    WHEN account.email = '' THEN 'no address'
                    ELSE '' END AS why
        FROM reminders_delivery AS own
        JOIN reminders_reminder AS reminder ON reminder.id = own.reminder_id
        JOIN taskapp_task AS task ON task.id = reminder.task_id
        JOIN auth_user AS account ON account.id = own.recipient_id
        LEFT JOIN accounts_preference AS preference ON preference.user_id = account.id
        WHERE own.id = %(id)s
    ) AS checked
    WHERE delivery.id = checked.id AND delivery.status = 'leased' AND delivery.lease_token = %(token)s
    RETURNING delivery.id, checked.task_id, delivery.recipient_id, delivery.channel, checked.why, delivery.address,
              delivery.message_id, delivery.content, delivery.attempts, delivery.unknown_outcome,
              EXTRACT(epoch FROM clock_timestamp() - checked.wanted_at)::float8
"""  # noqa: S608 (a constant of this module)


@dataclass(frozen=True)
class Letter:
    """A delivery at the moment of its last check."""

    id: int
    task_id: int
    recipient_id: int
    channel: str
    why: str
    """Why it must not go; empty if it may."""
    address: str
    message_id: str
    content: dict[str, Any]
    attempts: int
    unknown_outcome: bool
    late: float
    """Seconds since it should have gone: since `remind_at`, or since the task was saved if that was later."""
    renewed_at: float
    """When the lease was last prolonged, on the clock of time.monotonic(), which goes on in a frozen process."""

    @property
    def give_up_at(self) -> float:
        """After this it must not be handed over any more: the lease may end before the answer is written down."""
        return self.renewed_at + SEND_SHARE * lease().total_seconds()

    def message(self) -> Message:
        content = {**self.content, "due_at": datetime.fromisoformat(self.content["due_at"])}
        return Message(
            to=self.address,
            message_id=self.message_id,
            task_url=f"{settings.PUBLIC_URL}/tasks/{self.task_id}/",
            unsubscribe_url=unsubscribe_url(self.recipient_id),
            **content,
        )


class Post:
    """The sessions of one run: each opened when its channel is first needed, all closed at the end of the run."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._sessions: dict[str, Session] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.close()

    @property
    def channels(self) -> list[str]:
        """Those that can carry a message at once."""
        return [name for name, session in self._sessions.items() if session.is_open]

    def open(self, channel: str) -> None:
        self._sessions[channel] = self._stack.enter_context(CHANNELS[channel]().session())

    def send(self, channel: str, message: Message, *, give_up_at: float) -> None:
        self._sessions[channel].send(message, give_up_at=give_up_at)


def deliver_batch() -> dict[str, int]:
    """Claim a batch and hand it over. Returns {"claimed": n, and how many came to each end}."""
    counts: Counter[str] = Counter()
    if breaker.is_open(EMAIL):
        return counts
    holder, began = Holder(), monotonic()
    waiting = claim(Delivery, holder, limit=settings.DELIVERY_BATCH_SIZE, lease=lease())
    counts["claimed"] = len(waiting)
    try:
        with Post() as post:
            while waiting and monotonic() - began < BUDGET_SECONDS and not stopping.is_asked():
                counts[hand_over(waiting.pop(0), holder, post)] += 1
    except TransportError:
        counts["parked"] += 1
    finally:
        if waiting:
            counts["handed back"] = hand_back(Delivery, waiting, holder)
    return counts


def hand_over(pk: int, holder: Holder, post: Post) -> str:
    """Bring one claimed delivery to an end or back into the queue; return the word for what became of it.

    A TransportError is passed on after the delivery was put back: this run can send nothing more.
    """
    letter = last_check(pk, holder, post)
    if letter is None:
        return "left alone"
    try:
        post.send(letter.channel, letter.message(), give_up_at=letter.give_up_at)
    except DeliveryError as error:
        breaker.close(letter.channel)  # whoever answers about a recipient works
        return refuse(letter, holder, str(error), permanent=error.permanent)
    except TransportError as error:
        park(letter, holder, error)
        raise
    except Exception as error:  # a defect of ours with this one message must not stop the others
        log.exception("delivery broke", id=letter.id)
        return refuse(letter, holder, f"internal error: {type(error).__name__}", permanent=False)
    reached("message accepted", id=letter.id)
    return settle(letter, holder)


def last_check(pk: int, holder: Holder, post: Post) -> Letter | None:
    """The letter as it may go now, over a channel that is open; None if it may not, or is not ours any more.

    Connecting takes time, so it comes before the check that counts.
    """
    while True:
        letter = renew(pk, holder, post.channels)
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


def lease() -> timedelta:
    return timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)


def renew(pk: int, holder: Holder, channels: list[str]) -> Letter | None:
    """Prolong the lease, check, and freeze what will be said, in one statement; None if the lease is lost.

    `channels` are those over which it would be handed over at once: only then may it arrive from here on.
    """
    parameters: dict[str, Any] = {
        "id": pk, "token": holder.token, "lease": lease(), "domain": message_id_domain(), "channels": channels,
    }  # fmt: skip
    reached("delivery checking", id=pk)
    renewed_at = monotonic()
    with connection.cursor() as cursor:
        cursor.execute(RENEW, parameters)
        row = cursor.fetchone()
    if row is None:
        step("delivery", "lease lost", id=pk)
        return None
    values: list[Any] = list(row)
    values[7] = json.loads(values[7])  # Django has psycopg leave JSON alone
    values.append(renewed_at)
    return Letter(*values)


def suppress(letter: Letter, holder: Holder) -> bool:
    """Let a delivery rest because its task or its recipient does not want it; False if that has changed meanwhile.

    Checked again under the task's lock: else a task re-opened in between would be planned while the delivery is still
    leased, and then be suppressed with nobody left to queue it again. A task that somebody else has locked is not
    waited for: the delivery comes back a little later.
    """
    with transaction.atomic():
        locked = Task.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=letter.task_id).first()
        if locked is None:
            reason = "its task is being changed"
            return end(letter.id, holder, "put off", status=Delivery.QUEUED, reason=reason, later=PUT_OFF) or True
        again = renew(letter.id, holder, [])
        if again is None:
            return True
        if not again.why:
            return False
        end(letter.id, holder, "suppressed", status=Delivery.Status.SUPPRESSED, reason=again.why)
        if again.why == NOT_THE_OWNER:
            queue_for_owner(letter.id)
    return True


def queue_for_owner(pk: int) -> None:
    """Make the delivery that the task's new owner should have, unless planning has made it already."""
    with connection.cursor() as cursor:
        cursor.execute(QUEUE_FOR_OWNER, {"id": pk})
        step("delivery", "queued", rows=cursor.rowcount)


def settle(letter: Letter, holder: Holder) -> str:
    """The channel's server has accepted the message."""
    late = letter.late + monotonic() - letter.renewed_at
    facts = {"seconds_late": round(late, 1), "to": letter.address}
    if end(letter.id, holder, "sent", status=Delivery.Status.SENT, sent_at=clock(), facts=facts):
        LATENESS.observe(late)
    breaker.close(letter.channel)
    return "sent"


def refuse(letter: Letter, holder: Holder, text: str, *, permanent: bool) -> str:
    """An answer about this message: later, with backoff; or never, when it is final or the attempts are spent."""
    attempts = letter.attempts + 1
    if permanent or attempts >= settings.DELIVERY_MAX_ATTEMPTS:
        reason = text if permanent else f"{attempts} attempts; the last: {text}"
        end(letter.id, holder, "failed", status=Delivery.Status.FAILED, reason=reason, spends_attempt=True)
        return "failed"
    delay = delay_after(
        attempts,
        first=timedelta(seconds=settings.DELIVERY_BACKOFF_SECONDS),
        longest=timedelta(seconds=settings.DELIVERY_BACKOFF_MAX_SECONDS),
    )
    facts = {"attempt": attempts, "again_in_seconds": delay.total_seconds()}
    end(
        letter.id,
        holder,
        "deferred",
        status=Delivery.QUEUED,
        reason=text,
        later=delay,
        facts=facts,
        spends_attempt=True,
    )
    return "deferred"


def park(letter: Letter, holder: Holder, error: TransportError) -> None:
    """The way there does not work: back into the queue, at nobody's cost, until the breaker's next probe."""
    breaker.trip(letter.channel, str(error))
    name = "outcome unknown" if error.unknown else "parked"
    end(
        letter.id, holder, name, status=Delivery.QUEUED, reason=str(error),
        unknown_outcome=letter.unknown_outcome or error.unknown,
    )  # fmt: skip


def end(pk: int, holder: Holder, name: str, **changes: Any) -> bool:
    return release(Delivery, pk, holder, name, handing_over=False, **changes)


def message_id_domain() -> str:
    return parseaddr(settings.EMAIL_FROM)[1].rpartition("@")[2]
