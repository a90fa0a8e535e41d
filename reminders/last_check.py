"""The last check: whether a claimed delivery may go, and what it says, at the moment before it is handed over.

One statement, `renew`, prolongs the lease, looks once more at the task, its owner and the reminder, and freezes what
the message will say, and in which language. A change that was committed before it is never announced: `suppress` lets
the delivery rest, and the row says why.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from accounts.unsubscribe import unsubscribe_url
from mail.addresses import on_the_wire
from reminders.channels.base import DueSoon, InfectedFile, Message
from reminders.channels.mime import sender
from reminders.models import Delivery, TaskChange
from reminders.still_wanted import TOLD_LAST_BY_OTHERS, WHY_UNREACHABLE
from taskapp.models import Task
from work.breaker import QUIET
from work.claims import NO_LEASE, Holder, release
from work.failpoints import reached
from work.insisting import insist
from work.prepared import fetch_prepared
from work.step import note, step

SEND_SHARE = 0.45
"""What part of a lease, from its last renewal, sending may take."""

PUT_OFF = timedelta(seconds=5)

LONG_AGO_SECONDS = 1.0
"""A check that has waited for a lock looked at the task before that: it is made again."""

WAITING = "waiting for the mail server"

NOT_THE_OWNER = "the task belongs to somebody else now"

QUEUE_FOR_OWNER = """
    INSERT INTO reminders_delivery (reminder_id, attachment_id, recipient_id, channel, status, history)
    SELECT delivery.reminder_id, delivery.attachment_id, task.owner_id, delivery.channel, 'queued',
           work_note('[]', 'queued', '{}')
    FROM reminders_delivery AS delivery
    LEFT JOIN reminders_reminder AS reminder ON reminder.id = delivery.reminder_id
    LEFT JOIN attachments_attachment AS attachment ON attachment.id = delivery.attachment_id
    JOIN taskapp_task AS task ON task.id = coalesce(reminder.task_id, attachment.task_id)
    WHERE delivery.id = %(id)s
    ON CONFLICT DO NOTHING
"""

# Locks only the delivery. `why` is empty when the message may go. `IS NOT DISTINCT FROM` and the number said twice keep
# PostgreSQL from the index of what is leased: it would look at all of that to find one row.
RENEWED = f"""
    UPDATE reminders_delivery AS delivery
    SET lease_until = clock_timestamp() + %(lease)s,
        handing_over = (checked.why = '' AND delivery.channel = ANY(%(channels)s::text[])),
        handed_over_at = CASE WHEN checked.why = '' AND delivery.channel = ANY(%(channels)s::text[])
                              THEN clock_timestamp() ELSE delivery.handed_over_at END,
        message_id = CASE WHEN delivery.message_id = '' THEN format('<%%s@%%s>', delivery.event_id, %(domain)s::text)
                          ELSE delivery.message_id END,
        address = CASE WHEN delivery.unknown_outcome THEN delivery.address ELSE checked.email END,
        content = CASE WHEN delivery.unknown_outcome THEN delivery.content ELSE checked.content END
    FROM (
        SELECT own.id, task.id AS task_id, account.email,
               coalesce(greatest(reminder.remind_at, reminder.created_at), own.created_at) AS wanted_at,
               CASE WHEN reminder.id IS NULL
                    THEN jsonb_build_object('title', task.title, 'file', attachment.name, 'found', attachment.reason)
                    ELSE jsonb_build_object('title', task.title, 'description', task.description,
                                            'due_at', task.due_at, 'all_day', task.all_day, 'zone', task.timezone)
                    END || jsonb_build_object('language', coalesce(preference.language, '')) AS content,
               CASE WHEN task.deleted_at IS NOT NULL THEN 'the task was deleted'
                    WHEN attachment.deleted_at IS NOT NULL THEN 'the file was deleted'
                    WHEN attachment.state <> 'infected' THEN 'the file is not quarantined any more'
                    WHEN task.status = 'done' AND reminder.id IS NOT NULL THEN 'the task was done'
                    WHEN task.due_at IS NULL AND reminder.id IS NOT NULL THEN 'the due date was removed'
                    WHEN task.due_at <> reminder.due_at THEN 'the due date was moved'
                    WHEN task.owner_id <> own.recipient_id THEN '{NOT_THE_OWNER}'
                    WHEN reminder.status = 'cancelled' THEN reminder.reason
                    WHEN EXISTS (SELECT 1 FROM reminders_reminder AS later WHERE later.task_id = reminder.task_id
                                   AND later.rule_id = reminder.rule_id AND later.due_at = reminder.due_at
                                   AND later.round > reminder.round) THEN 'told again in a later round'
                    WHEN reminder.round > 1 AND reminder.due_at = {TOLD_LAST_BY_OTHERS}
                    THEN 'this due date was the last that was told'
                    ELSE coalesce({WHY_UNREACHABLE}, '') END AS why
        FROM reminders_delivery AS own
        LEFT JOIN reminders_reminder AS reminder ON reminder.id = own.reminder_id
        LEFT JOIN attachments_attachment AS attachment ON attachment.id = own.attachment_id
        JOIN taskapp_task AS task ON task.id = coalesce(reminder.task_id, attachment.task_id)
        JOIN auth_user AS account ON account.id = own.recipient_id
        LEFT JOIN accounts_preference AS preference ON preference.user_id = account.id
        WHERE own.id = %(id)s {{only_if}}
    ) AS checked
    WHERE delivery.id = %(id)s AND delivery.id = checked.id
      AND delivery.status IS NOT DISTINCT FROM 'leased' AND delivery.lease_token = %(token)s
    RETURNING delivery.id, checked.task_id, delivery.recipient_id, delivery.channel, checked.why, delivery.address,
              delivery.message_id, delivery.content, delivery.attempts, delivery.unknown_outcome,
              delivery.unknown_outcomes, delivery.broke_at, delivery.refused_at,
              EXTRACT(epoch FROM clock_timestamp() - checked.wanted_at)::float8
"""  # noqa: S608 (a constant of this module)

RENEW = RENEWED.format(only_if="")

# The end of one message and the check of the next, with one commit. The first row is locked, then the second if nobody
# holds it: whoever waits for a row while holding another could meet somebody who waits the other way round.
SETTLE_AND_RENEW = f"""
    WITH settled AS (
        UPDATE reminders_delivery
        SET status = 'sent', reason = '', sent_at = clock_timestamp(), handing_over = FALSE, alone = FALSE, {NO_LEASE},
            history = {note("sent", "%(facts)s::jsonb")}
        WHERE id = %(accepted)s AND status IS NOT DISTINCT FROM 'leased' AND lease_token = %(token)s
        RETURNING id
    ), renewed AS (
        {RENEWED.format(only_if="AND EXISTS (SELECT FROM settled) FOR NO KEY UPDATE OF own SKIP LOCKED")}
    )
    SELECT (SELECT count(*) FROM settled),
           NOT EXISTS (SELECT 1 FROM work_breaker AS breaker WHERE breaker.name = %(accepted_by)s AND {QUIET}),
           renewed.*
    FROM (VALUES (1)) AS one LEFT JOIN renewed ON TRUE
"""  # noqa: S608 (constants of this module)


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
    unknown_outcomes: int
    broke_at: datetime | None
    """When a connection last broke while it carried this message, by PostgreSQL's clock."""
    refused_at: datetime | None
    """When the other side last refused it, by PostgreSQL's clock."""
    late: float
    """Seconds since it should have gone: since `remind_at`, or since the task was saved if that was later."""
    checked_at: float
    """When this was read, on the clock of time.monotonic(), which goes on in a frozen process."""
    renewed_at: float
    """When the lease was last prolonged, by the same clock."""

    @property
    def give_up_at(self) -> float:
        """After this it must not be handed over any more: the lease may end before the answer is written down."""
        return self.renewed_at + SEND_SHARE * lease().total_seconds()

    @property
    def lease_over(self) -> float:
        """From then on it is somebody else's, unless PostgreSQL was away."""
        return self.renewed_at + lease().total_seconds()

    @property
    def late_now(self) -> float:
        """`late`, as time goes on."""
        return self.late + monotonic() - self.checked_at

    def arrival(self) -> dict[str, Any]:
        """What the history says about its acceptance."""
        return {"seconds_late": round(self.late_now, 1), "to": on_the_wire(self.address)}

    def message(self) -> Message:
        envelope: dict[str, Any] = {
            "language": "",  # of content that was frozen before there were several
            "to": self.address, "message_id": self.message_id,
            "task_url": f"{settings.PUBLIC_URL}/tasks/{self.task_id}/",
            "unsubscribe_url": unsubscribe_url(self.recipient_id),
        }  # fmt: skip
        if "file" in self.content:
            return InfectedFile(**{**envelope, **self.content})
        due_at = datetime.fromisoformat(self.content["due_at"])
        return DueSoon(**{**envelope, **self.content, "due_at": due_at})


def lease() -> timedelta:
    return timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)


def renew(pk: int, holder: Holder, channels: list[str]) -> Letter | None:
    """Prolong the lease, check, and freeze what will be said, in one statement; None if the lease is lost.

    `channels` are those over which it would be handed over at once: only then may it arrive from here on.
    """
    reached("delivery checking", id=pk)
    while True:
        renewed_at = monotonic()
        rows = fetch_prepared(RENEW, renewing(pk, holder, channels))
        if monotonic() - renewed_at < LONG_AGO_SECONDS:
            break
    if not rows:
        step("delivery", "lease lost", id=pk)
        return None
    return letter_of(rows[0], renewed_at)


@dataclass(frozen=True)
class Settled:
    """What `settle_and_renew` has found out."""

    is_ours: bool
    """Whether the lease of the message that was accepted was still held."""
    is_news: bool
    """Whether the breaker is to hear that something was accepted."""
    next: Letter | None
    """None where either lease is lost, somebody holds the row, or it took long: `renew` knows more."""


def settle_and_renew(accepted: Letter, pk: int, holder: Holder, channels: list[str]) -> Settled:
    """Write down that a message was accepted, and renew another."""
    reached("delivery checking", id=pk)
    renewed_at = monotonic()
    facts = accepted.arrival()
    parameters = {
        **renewing(pk, holder, channels), "accepted": accepted.id, "accepted_by": accepted.channel,
        "facts": json.dumps(facts),
    }  # fmt: skip
    ((settled, is_news, *row),) = fetch_prepared(SETTLE_AND_RENEW, parameters)
    step("delivery", "sent" if settled else "lease lost", id=accepted.id, **facts)
    is_fresh = row[0] is not None and monotonic() - renewed_at < LONG_AGO_SECONDS
    return Settled(bool(settled), bool(is_news), letter_of(row, renewed_at) if is_fresh else None)


def renewing(pk: int, holder: Holder, channels: list[str]) -> dict[str, Any]:
    return {
        "id": pk, "token": holder.token, "lease": lease(), "domain": message_id_domain(), "channels": channels,
    }  # fmt: skip


# The first time that a message is prolonged it is waited for, which its history and its reason then say.
PROLONG = f"""
    WITH own AS (SELECT * FROM unnest(%(ids)s::bigint[], %(tokens)s::uuid[]) AS own (id, token)),
    held AS (
        SELECT delivery.id FROM reminders_delivery AS delivery JOIN own USING (id)
        WHERE delivery.status = 'leased' AND delivery.lease_token = own.token
    ), free AS (  -- nobody is waited for: the leases of all would end meanwhile
        SELECT delivery.id FROM reminders_delivery AS delivery JOIN own USING (id)
        WHERE delivery.status = 'leased' AND delivery.lease_token = own.token
        FOR NO KEY UPDATE OF delivery SKIP LOCKED
    ), prolonged AS (
        UPDATE reminders_delivery AS delivery
        SET lease_until = clock_timestamp() + %(lease)s,
            reason = '{WAITING}',
            history = CASE WHEN delivery.history->-1->>'step' = 'waiting' THEN delivery.history
                           ELSE {note("waiting", "jsonb_build_object('reason', '" + WAITING + "'::text)", "delivery.")}
                      END
        FROM free WHERE delivery.id = free.id
        RETURNING delivery.id
    )
    SELECT held.id, prolonged.id IS NOT NULL FROM held LEFT JOIN prolonged USING (id)
"""  # noqa: S608 (constants of this module)


def prolong(held: Sequence[tuple[int, Holder]]) -> dict[int, bool]:
    """Prolong the leases of messages that are on the way.

    By the id of each that is still held: whether it was prolonged. One that was not is locked by somebody just now.
    """
    parameters: dict[str, Any] = {
        "lease": lease(), "ids": [pk for pk, _ in held], "tokens": [holder.token for _, holder in held],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(PROLONG, parameters)
        return dict(cursor.fetchall())


def letter_of(row: Sequence[Any], renewed_at: float) -> Letter:
    values = [*row, renewed_at, renewed_at]
    values[7] = json.loads(values[7])  # Django has psycopg leave JSON alone
    return Letter(*values)


def suppress(letter: Letter, holder: Holder) -> bool:
    """Let a delivery rest because its task or its recipient does not want it; False if that has changed meanwhile.

    Checked again under the task's lock: else a task re-opened in between would be planned while the delivery is still
    leased, and then be suppressed. What stands in other rows (the account, its preferences, the file) is not locked and
    may change until this commits, so a TaskChange commits along: planning looks once more, when the delivery rests. A
    task that somebody else has locked is not waited for: the delivery comes back a little later.
    """
    with transaction.atomic():
        locked = Task.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=letter.task_id).first()
        if locked is None:
            reason = "its task is being changed"
            return end(letter, holder, "put off", status=Delivery.QUEUED, reason=reason, later=PUT_OFF) or True
        again = renew(letter.id, holder, [])
        if again is None:
            return True
        if not again.why:
            return False
        reached("delivery suppressing", id=letter.id)
        end(letter, holder, "suppressed", status=Delivery.Status.SUPPRESSED, reason=again.why)
        TaskChange.objects.create(task_id=locked.pk, due_at=locked.due_at)
        if again.why == NOT_THE_OWNER:
            queue_for_owner(letter.id)
    return True


def queue_for_owner(pk: int) -> None:
    """Make the delivery that the task's new owner should have, unless planning has made it already."""
    with connection.cursor() as cursor:
        cursor.execute(QUEUE_FOR_OWNER, {"id": pk})
        step("delivery", "queued", rows=cursor.rowcount)


def end(letter: Letter, holder: Holder, name: str, **changes: Any) -> bool:
    """As `release`; and for as long as the lease lasts, though PostgreSQL be away for a while."""
    return insist(
        lambda: release(Delivery, letter.id, holder, name, handing_over=False, **changes), until=letter.lease_over
    )


def message_id_domain() -> str:
    """The sender's, in ASCII."""
    return sender().domain
