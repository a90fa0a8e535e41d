"""Sweep 1: take a batch of changes, and make the reminders of those tasks what they should be.

A trigger appends a TaskChange whenever a plan input of a task changes, whoever changes it. Planning takes a batch of
them, looks at those tasks as they are now, and moves their reminders by sets. It deletes exactly the changes that it
read: one appended meanwhile, by a transaction that commits later, is still there for the next batch. So no change is
missed, and no task is locked.

Two planners at once could let an older view of a task win over a newer one, so one plans at a time, under an advisory
lock; another that comes along leaves the work to it. The lock ends with the transaction, and PostgreSQL ends the
transaction of a planner that is frozen (idle_in_transaction_session_timeout).

What becomes of (task, rule, due date D) is `action` below, the re-arming table of docs/lifecycle.md. "Told" is a
message of this rule to the task's owner that was sent, or may have been; what was told last is what the owner believes:

    no row                                 inserted as planned; as cancelled, if D was past when it was set
    planned, and not wanted any more       cancel, with the reason
    planned                                move, when the rule's offset has changed
    cancelled                              revive, unless D was past when it was set or a person cancelled it
    dispatched, to a former owner          queue anew, for the new one
    dispatched, suppressed, D not told     queue again, unless a person cancelled it or the last check would only say
                                           no again; the same, if the outcome is unknown and nothing was told since
    dispatched, another date told since    new round, unless its message is on its way
    dispatched otherwise                   nothing: D is on its way, or was the last thing told

A delivery whose recipient could not be told stays suppressed until they can be, which a TaskChange of
reminders/returning.py calls to be looked at, and then goes out if D has been overdue for less than TOLD_UNTIL.

Whatever is armed again within ten seconds of the last message of its rule waits until they are over, so that five
quick edits are one message; and while a message is on the wire, until it is known what has become of it.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from reminders.models import RuleChange, TaskChange
from reminders.returning import fan_out_people
from reminders.still_wanted import (
    IS_UNREACHED,
    NO_LONGER_ANNOUNCED,
    TOLD_LAST_BY_OTHERS,
    TOLD_UNTIL,
    WHY_UNREACHABLE,
)
from work.failpoints import reached
from work.step import note, step

PLANNERS_LOCK = 0x7461736B  # a number that nothing else locks

PAST_WHEN_SET = "already past when it was set"
CANCELLED_BY = "cancelled by "
"""How the reason begins when a person cancelled the reminder: planning does not revive those."""

IS_AT_REST = f"(starts_with(reason, '{CANCELLED_BY}') OR starts_with(reason, '{NO_LONGER_ANNOUNCED}'))"
"""SQL for a suppressed delivery that a person alone may queue again."""

QUIET = timedelta(seconds=10)
"""After a message, what is armed again by the same rule waits for so long; and after it was queued again, a delivery
that was suppressed once more."""

BATCH = 5_000
FAN_OUT = 5_000

NEWEST = 10
"""Of a batch, one in so many is taken from the new end of the queue: the task that somebody saves now does not wait
behind an import of a million. The order does not matter, for planning looks at tasks as they are."""

# What PostgreSQL believes of these tables is often far from true: they were empty a moment ago, or a million rows have
# changed their state since they were last analyzed. A plan that reads one of them for each row of a batch then takes
# minutes, and one that sorts reads for each batch all that is due. So each step is to look its rows up by an index, in
# the index's order, which is right for a batch whatever the tables hold. A row that somebody holds is not waited for:
# the sweep has other things to do, and comes back.
LOOK_UP_BY_INDEX = """
    SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
    SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;
    SET LOCAL jit = off; SET LOCAL lock_timeout = '2s'
"""

# One statement, so that all of it sees one snapshot, and no row is moved twice. What it takes stands in a CTE of its
# own: under `WHERE id IN (SELECT … LIMIT …)` the sub-select may be run again for each row, and took 86 s for a batch.
# `set_at` is when the due date was set, as far as the batch tells: a due date is past "when it was set", not when an
# outage is over. `IS NOT DISTINCT FROM` is the compare-and-set on the status, in a form that does not lead the planner
# to the partial index on planned reminders.
PLAN = f"""
    WITH waiting AS MATERIALIZED (  -- index: primary key
        (SELECT id FROM reminders_taskchange ORDER BY id LIMIT %(oldest)s)
        UNION
        (SELECT id FROM reminders_taskchange ORDER BY id DESC LIMIT %(newest)s)
    ), taken AS (
        DELETE FROM reminders_taskchange USING waiting WHERE reminders_taskchange.id = waiting.id
        RETURNING task_id, due_at, at
    ), batch AS MATERIALIZED (
        SELECT task.id AS task_id, task.owner_id, task.due_at, task.status, task.deleted_at,
               coalesce(min(taken.at) FILTER (WHERE taken.due_at = task.due_at), min(taken.at)) AS set_at
        FROM taken JOIN taskapp_task AS task ON task.id = taken.task_id
        GROUP BY task.id
    ), existing AS MATERIALIZED (  -- index: reminder_unique_task_rule_due_round
        SELECT reminder.id, reminder.task_id, reminder.rule_id, reminder.due_at, reminder.round, reminder.status,
               reminder.reason, reminder.remind_at AS was_at, reminder.kind, batch.owner_id, batch.set_at,
               reminder.due_at + rule."offset" AS rule_at, batch.due_at <= batch.set_at AS was_past,
               rule.id IS NOT NULL AND batch.due_at IS NOT DISTINCT FROM reminder.due_at
                   AND batch.status <> 'done' AND batch.deleted_at IS NULL AS is_wanted,
               CASE WHEN batch.deleted_at IS NOT NULL THEN 'the task was deleted'
                    WHEN batch.status = 'done' THEN 'the task was done'
                    WHEN batch.due_at IS NULL THEN 'the due date was removed'
                    WHEN batch.due_at <> reminder.due_at THEN 'the due date was moved'
                    ELSE 'the rule no longer applies' END AS why_not,
               own.*
        FROM batch JOIN reminders_reminder AS reminder ON reminder.task_id = batch.task_id
        LEFT JOIN reminders_reminderrule AS rule
          ON rule.id = reminder.rule_id AND rule.is_enabled
         AND (rule.owner_id IS NULL OR rule.owner_id = batch.owner_id)
         AND (rule.task_id IS NULL OR rule.task_id = batch.task_id)
        CROSS JOIN LATERAL (  -- what the owner knows of it; index: delivery_unique_reminder_recipient_channel
            SELECT count(*) AS deliveries,
                   max(least(coalesce(handed_over_at, sent_at), clock_timestamp())) FILTER (
                       WHERE delivery.status = 'sent' OR unknown_outcome OR handing_over) AS told_at,
                   max(least(coalesce(handed_over_at, sent_at), clock_timestamp())
                       + CASE WHEN handing_over THEN %(lease)s ELSE %(quiet)s END) FILTER (
                       WHERE delivery.status = 'sent' OR unknown_outcome OR handing_over) AS quiet_until,
                   bool_or(delivery.status = 'queued' OR delivery.status = 'leased' AND NOT handing_over)
                       AS is_on_its_way,
                   bool_or(delivery.status = 'suppressed') AS is_suppressed,
                   coalesce(bool_or(delivery.status = 'suppressed' AND {IS_AT_REST}), FALSE) AS is_at_rest,
                   coalesce(bool_or(delivery.status = 'suppressed' AND {IS_UNREACHED}), FALSE) AS is_unreached
            FROM reminders_delivery AS delivery
            WHERE reminder.status = 'dispatched'
              AND delivery.reminder_id = reminder.id AND delivery.recipient_id = batch.owner_id
        ) AS own
    ), known AS MATERIALIZED (  -- beside each: what its rule told last, if anything
        SELECT existing.*, round = max(round) OVER (PARTITION BY task_id, rule_id, due_at) AS is_latest,
               first_value(CASE WHEN told_at IS NOT NULL THEN due_at END) OVER last_first AS told_last,
               greatest(rule_at, max(quiet_until) OVER (PARTITION BY task_id, rule_id)) AS remind_at,
               greatest(clock_timestamp(), max(quiet_until) OVER (PARTITION BY task_id, rule_id)) AS not_before
        FROM existing
        WINDOW last_first AS (PARTITION BY task_id, rule_id ORDER BY told_at DESC NULLS LAST, id DESC)
    ), judged AS MATERIALIZED (
        SELECT known.*, CASE
            WHEN status = 'planned' AND NOT is_wanted THEN 'cancel'
            WHEN status = 'planned' AND was_at > clock_timestamp() AND was_at <> remind_at THEN 'move'
            WHEN status = 'planned' OR NOT is_wanted OR NOT is_latest OR was_past AND NOT is_unreached THEN NULL
            WHEN starts_with(reason, '{CANCELLED_BY}') OR is_at_rest THEN NULL
            WHEN status = 'cancelled' THEN 'revive'
            WHEN deliveries = 0 THEN 'queue anew'
            WHEN is_suppressed AND (told_at IS NULL OR told_last = due_at) THEN 'queue again'
            WHEN NOT is_on_its_way AND told_last <> due_at THEN 'new round'
        END AS action
        FROM known
    ), wanted AS (
        SELECT batch.task_id, rule.id AS rule_id, rule.kind, batch.due_at, 1 AS round,
               greatest(batch.due_at + rule."offset", told.quiet_until) AS remind_at, batch.set_at,
               batch.due_at <= batch.set_at AS was_past
        FROM batch JOIN reminders_reminderrule AS rule
          ON rule.is_enabled
         AND (rule.owner_id IS NULL OR rule.owner_id = batch.owner_id)
         AND (rule.task_id IS NULL OR rule.task_id = batch.task_id)
        CROSS JOIN LATERAL (  -- index: reminder_unique_task_rule_due_round
            SELECT max(least(coalesce(handed_over_at, sent_at), clock_timestamp())
                       + CASE WHEN handing_over THEN %(lease)s ELSE %(quiet)s END) AS quiet_until
            FROM reminders_reminder AS reminder JOIN reminders_delivery AS delivery
              ON delivery.reminder_id = reminder.id AND delivery.recipient_id = batch.owner_id
             AND (delivery.status = 'sent' OR unknown_outcome OR handing_over)
            WHERE reminder.task_id = batch.task_id AND reminder.rule_id = rule.id
        ) AS told
        WHERE batch.due_at IS NOT NULL AND batch.status <> 'done' AND batch.deleted_at IS NULL
        UNION ALL
        SELECT task_id, rule_id, kind, due_at, round + 1, remind_at, set_at, was_past
        FROM judged WHERE action = 'new round'
    ), inserted AS (
        INSERT INTO reminders_reminder
            (task_id, rule_id, kind, due_at, round, remind_at, created_at, status, reason, history)
        SELECT task_id, rule_id, kind, due_at, round, remind_at, set_at,
               CASE WHEN was_past THEN 'cancelled' ELSE 'planned' END,
               CASE WHEN was_past THEN '{PAST_WHEN_SET}' ELSE '' END,
               CASE WHEN was_past THEN work_note('[]', 'cancelled', '{{"reason": "{PAST_WHEN_SET}"}}')
                    ELSE work_note('[]', 'planned', jsonb_build_object('remind_at', remind_at)) END
        FROM wanted
        ORDER BY task_id, rule_id
        ON CONFLICT (task_id, rule_id, due_at, round) DO NOTHING
        RETURNING status
    ), cancelled AS (
        UPDATE reminders_reminder AS reminder
        SET status = 'cancelled', reason = judged.why_not,
            history = {note("cancelled", "jsonb_build_object('reason', judged.why_not)")}
        FROM judged
        WHERE reminder.id = judged.id AND judged.action = 'cancel'
          AND reminder.status IS NOT DISTINCT FROM judged.status
        RETURNING 1
    ), moved AS (
        UPDATE reminders_reminder AS reminder
        SET remind_at = judged.remind_at,
            history = {note("moved", "jsonb_build_object('remind_at', judged.remind_at)")}
        FROM judged
        WHERE reminder.id = judged.id AND judged.action = 'move'
          AND reminder.status IS NOT DISTINCT FROM judged.status
        RETURNING 1
    ), revived AS (
        UPDATE reminders_reminder AS reminder
        SET status = 'planned', reason = '', remind_at = judged.remind_at,
            history = {note("planned again", "jsonb_build_object('remind_at', judged.remind_at)")}
        FROM judged
        WHERE reminder.id = judged.id AND judged.action = 'revive'
          AND reminder.status IS NOT DISTINCT FROM judged.status
        RETURNING 1
    ), suppressed AS MATERIALIZED (  -- what the task wants; index: delivery_unique_reminder_recipient_channel
        SELECT own.id, own.recipient_id, own.reason, own.history, reminder.not_before, reminder.task_id,
               reminder.due_at < reminder.set_at - %(told_until)s AS is_overdue
        FROM judged AS reminder JOIN reminders_delivery AS own
          ON own.reminder_id = reminder.id AND own.recipient_id IS NOT DISTINCT FROM reminder.owner_id
        WHERE reminder.action = 'queue again' AND own.status IS NOT DISTINCT FROM 'suppressed'
          AND (reminder.round = 1 OR reminder.due_at IS DISTINCT FROM {TOLD_LAST_BY_OTHERS})
        UNION ALL  -- indexes: attachment_task, delivery_unique_attachment_recipient_channel
        SELECT own.id, own.recipient_id, own.reason, own.history, clock_timestamp(), batch.task_id, FALSE
        FROM batch JOIN attachments_attachment AS attachment ON attachment.task_id = batch.task_id
        JOIN reminders_delivery AS own ON own.attachment_id = attachment.id AND own.recipient_id = batch.owner_id
        WHERE batch.deleted_at IS NULL AND attachment.deleted_at IS NULL AND attachment.state = 'infected'
          AND own.status IS NOT DISTINCT FROM 'suppressed'
    ), judged_again AS MATERIALIZED (  -- whether their recipients can be told, and when
        SELECT suppressed.id, suppressed.task_id, {IS_UNREACHED} AS is_unreached, is_overdue,
               greatest(suppressed.not_before, (
                   SELECT max(least((entry->>'at')::timestamptz, clock_timestamp())) + %(quiet)s
                   FROM jsonb_array_elements(suppressed.history) AS entry WHERE entry->>'step' = 'queued again')
               ) AS not_before, (
                   SELECT {WHY_UNREACHABLE}
                   FROM auth_user AS account LEFT JOIN accounts_preference AS preference
                     ON preference.user_id = account.id
                   WHERE account.id = suppressed.recipient_id) AS why_not
        FROM suppressed
    ), queued_again AS (
        UPDATE reminders_delivery AS delivery
        SET status = 'queued', reason = '', not_before = judged_again.not_before, history = {note("queued again")}
        FROM judged_again
        WHERE delivery.id = judged_again.id AND delivery.status IS NOT DISTINCT FROM 'suppressed'
          AND why_not IS NULL AND NOT (is_unreached AND is_overdue)
        RETURNING 1
    ), left_alone AS (  -- and say why now: by that reason it is found when its recipient can be told
        UPDATE reminders_delivery AS delivery
        SET reason = said.reason, history = {note("still suppressed", "jsonb_build_object('reason', said.reason)")}
        FROM (
            SELECT judged_again.id, coalesce(why_not, '{NO_LONGER_ANNOUNCED}' || coalesce(
                       nullif(left(replace(task.due_local, 'T', ' '), 16), '') || ' ' || task.timezone,
                       left(task.due_at::text, 16) || ' UTC')) AS reason
            FROM judged_again JOIN taskapp_task AS task ON task.id = judged_again.task_id
            WHERE CASE WHEN why_not IS NULL THEN is_unreached AND is_overdue ELSE NOT is_unreached END
        ) AS said
        WHERE delivery.id = said.id AND delivery.status IS NOT DISTINCT FROM 'suppressed'
        RETURNING 1
    ), queued_anew AS (
        INSERT INTO reminders_delivery (reminder_id, recipient_id, channel, status, not_before, history)
        SELECT id, owner_id, 'email', 'queued', not_before, work_note('[]', 'queued', '{{}}')
        FROM judged WHERE action = 'queue anew'
        ON CONFLICT (reminder_id, recipient_id, channel) DO NOTHING
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM taken),
           (SELECT count(*) FROM inserted WHERE status = 'planned') + (SELECT count(*) FROM revived),
           (SELECT count(*) FROM inserted WHERE status = 'cancelled') + (SELECT count(*) FROM cancelled),
           (SELECT count(*) FROM moved),
           (SELECT count(*) FROM queued_again) + (SELECT count(*) FROM queued_anew)
"""  # noqa: S608 (constants of this module)

FAN_OUT_CHUNK = """
    WITH chunk AS (
        SELECT task.id, task.due_at FROM taskapp_task AS task
        WHERE task.id > %(after)s
          AND (%(owner)s::int IS NULL OR task.owner_id = %(owner)s)
          AND (%(task)s::bigint IS NULL OR task.id = %(task)s)
          AND task.due_at IS NOT NULL AND task.deleted_at IS NULL AND task.status <> 'done'
          AND (task.due_at > %(at)s OR EXISTS (
                SELECT 1 FROM reminders_reminder AS reminder
                WHERE reminder.task_id = task.id AND reminder.rule_id = %(rule)s AND reminder.status = 'planned'))
        ORDER BY task.id LIMIT %(limit)s
    ), appended AS (
        INSERT INTO reminders_taskchange (task_id, due_at, at) SELECT id, due_at, %(at)s FROM chunk
    )
    SELECT count(*), max(id) FROM chunk
"""


def plan(*, limit: int = BATCH) -> dict[str, int]:
    """Take up to `limit` changes and make the reminders of their tasks what they should be; all counts 0: none left.

    Returns {"changes", "planned", "cancelled"}: rows taken, reminders planned (new or again), reminders cancelled.
    """
    counts = {"changes": 0, "planned": 0, "cancelled": 0}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [PLANNERS_LOCK])
        if cursor.fetchone() != (True,):
            return counts
        # Nothing is added while a batch waits, so that the task that a person saves now is not behind a million others.
        is_room = TaskChange.objects.all()[:BATCH].count() < BATCH
        if is_room:
            fan_out()
        cursor.execute(LOOK_UP_BY_INDEX)
        if is_room:
            fan_out_people()
        newest, lease = limit // NEWEST, timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
        parameters: dict[str, Any] = {
            "oldest": limit - newest, "newest": newest, "quiet": QUIET, "lease": lease, "told_until": TOLD_UNTIL,
        }  # fmt: skip
        cursor.execute(PLAN, parameters)
        taken, planned, cancelled, moved, queued_again = cursor.fetchone() or [0] * 5
        if taken:
            reached("changes planned", rows=taken)
    step("reminder", "planned", rows=planned)
    step("reminder", "cancelled", rows=cancelled)
    step("reminder", "moved", rows=moved)
    step("delivery", "queued again", rows=queued_again)
    return {"changes": taken, "planned": planned, "cancelled": cancelled}


def hold_planning() -> None:
    """Keep planning from running until this transaction ends: for whoever moves or deletes many rows at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PLANNERS_LOCK])


def fan_out(*, limit: int = FAN_OUT) -> None:
    """Turn the next chunk of a changed rule's tasks into TaskChanges; the last chunk deletes the RuleChange.

    They bear the time of the rule's change: a task that has fallen due since then was not past at that time.
    """
    change = RuleChange.objects.select_for_update(skip_locked=True).order_by("id").first()
    if change is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(FAN_OUT_CHUNK, {
            "after": change.after_task_id, "owner": change.owner_id, "task": change.task_id,
            "rule": change.rule_id, "at": change.at, "limit": limit,
        })  # fmt: skip
        count, last = cursor.fetchone() or (0, None)
    if count < limit:
        change.delete()
    else:
        RuleChange.objects.filter(pk=change.pk).update(after_task_id=last)
