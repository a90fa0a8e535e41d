"""One run of `reminders.send_due_soon`: everything between a changed task and a message for a worker.

    Task ──trigger──▶ TaskChange ──plan──▶ Reminder ──dispatch──▶ Delivery ──ring──▶ reminders.deliver
    Attachment, infected ──────────────────────────────────tell─────▲

Safe to run at any time, twice at once, or by hand: each part moves rows by compare-and-set, and what one run
leaves, the next finds. Plans and dispatches take turns, so that neither waits behind a backlog of the other.
"""

from collections.abc import Callable
from time import monotonic

import structlog
from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, models, transaction
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Now

from reminders import canary, outcomes, planning
from reminders.channels import EMAIL
from reminders.dispatching import dispatch
from reminders.last_check import lease
from reminders.models import Delivery, PersonChange, Reminder, RuleChange
from reminders.outcomes import AWAITS_REPEAT, MAY_HAVE_ARRIVED, patience, repeats
from reminders.telling import tell
from taskapp.services import fill_due_local
from work import bell, breaker
from work.claims import Loss, rescue
from work.failpoints import reached

BELL = "reminders.send_due_soon"
DELIVER = "reminders.deliver"
DELIVER_QUEUE = "deliver"

BUDGET_SECONDS = 20.0
"""A run ends after so long though work is left: the wake source rings for the next."""

CROSSED = {"40P01", "40001", "23503", "55P03"}
"""SQLSTATEs of a deadlock, a serialisation failure, a row that refers to one that is gone, and a row that is held."""

Counts = dict[str, int]

log = structlog.get_logger("reminders")


def send_due_soon(*, budget: float = BUDGET_SECONDS) -> Counts:
    """Plan, dispatch, rescue and ring until nothing is left to do, or `budget` seconds have passed.

    Returns {"changes", "planned", "cancelled", "dispatched", "told", "rescued", "rung"}.
    """
    end_waits_of_another_clock()
    bell.answer(BELL)
    reached("sweep begun")
    counts: Counts = dict.fromkeys(("changes", "planned", "cancelled", "dispatched", "told"), 0)
    counts["rescued"] = rescue_lost_deliveries()
    counts["rung"] = 0
    end, idle = monotonic() + budget, 0
    while monotonic() < end:
        done = {**unless_crossed(planning.plan), **unless_crossed(dispatch), **unless_crossed(tell)}
        idle = 0 if any(done.values()) else idle + 1
        if idle == 2 or (idle and not RuleChange.objects.exists() and not PersonChange.objects.exists()):
            break
        for name, count in done.items():
            counts[name] += count
        if done.get("dispatched") or done.get("told"):
            counts["rung"] += ring_for_deliveries()
    if not counts["rung"]:
        counts["rung"] = ring_for_deliveries()
    unless_crossed(reckon_what_was_meant)
    return counts


# An answer from the future tells that the clock was set back since. Else this reads no reminder.
END_WAITS = """
    UPDATE reminders_reminder AS reminder SET remind_at = greatest(reminder.due_at + rule."offset", clock_timestamp())
    FROM reminders_reminderrule AS rule
    WHERE rule.id = reminder.rule_id AND reminder.status = 'planned'
      AND reminder.remind_at > greatest(reminder.due_at + rule."offset", clock_timestamp())
      AND EXISTS (SELECT 1 FROM work_bell WHERE name = %s AND answered_at > clock_timestamp())
"""


def end_waits_of_another_clock() -> None:
    """Let reminders that waited for a quiet moment go, if the clock was set back: the moment may be far off now."""
    with connection.cursor() as cursor:
        cursor.execute(END_WAITS, [BELL])


def reckon_what_was_meant() -> Counts:
    """One batch in a run, when all else is done: nobody waits for it."""
    return {"reckoned": fill_due_local()}


def unless_crossed(part: Callable[[], Counts]) -> Counts:
    """What the part did; nothing, if another transaction crossed it, which PostgreSQL ends by an error for one of them.

    A deadlock, or a task that was erased between reading it and referring to it: the rows are as they were, the other
    part goes on, and the next run finds them again.
    """
    try:
        return part()
    except (OperationalError, IntegrityError) as error:
        if getattr(error.__cause__, "sqlstate", None) not in CROSSED:
            raise
        log.warning("sweep crossed", part=part.__name__, error=str(error))
        return {}


# The message of a lost worker may have arrived: that is an unknown outcome like any other (reminders/outcomes.py).
LOSS = Loss(
    also=(
        ", unknown_outcome = unknown_outcome OR handing_over, unknown_outcomes = unknown_outcomes + handing_over::int,"
        " broke_at = CASE WHEN handing_over THEN clock_timestamp() ELSE broke_at END, handing_over = FALSE"
    ),
    fails="(handing_over AND unknown_outcomes >= cardinality(%(repeats)s::interval[]))",
    reason=f"'{MAY_HAVE_ARRIVED}'",
    waits="CASE WHEN handing_over THEN (%(repeats)s::interval[])[unknown_outcomes + 1] END",
)

MAY_WAIT = (
    f"CASE WHEN {AWAITS_REPEAT} THEN coalesce((%(repeats)s::interval[])[unknown_outcomes], interval '0')"
    " ELSE interval '0' END"
)


def rescue_lost_deliveries() -> int:
    """Queue again what a lost worker held; what it was just handing over may have arrived."""
    longest = max(patience().longest, breaker.LONGEST)  # that anything here waits
    return rescue(
        Delivery, lease=lease(), patience=patience(), longest_wait=longest, loss=LOSS, may_wait=MAY_WAIT,
        repeats=repeats(),
    )  # fmt: skip


def ring_for_deliveries() -> int:
    """Send a message for each batch of deliveries that can go now, or one for the canary; return how many."""
    if breaker.is_open(EMAIL):
        return 0
    due = Delivery.objects.filter(status=Delivery.Status.QUEUED, not_before__lte=Now())
    batches = -(-due[: settings.DELIVERY_BATCH_SIZE * bell.MOST_WAITING].count() // settings.DELIVERY_BATCH_SIZE)
    if not batches and canary.is_visit_due() and bell.ring_once(outcomes.MAIL):
        batches = 1
    return bell.ring(DELIVER, queue=DELIVER_QUEUE, times=batches) if batches else 0


def preview() -> tuple[list[Reminder], list[Reminder]]:
    """What a sweep would newly plan, and what it would hand over now: found by planning for real, and rolled back."""
    with transaction.atomic():
        while planning.plan()["changes"]:
            pass
        planned = Reminder.objects.select_related("task__owner").filter(status=Reminder.Status.PLANNED)
        new: list[Reminder] = list(
            planned.annotate(step_at=Cast(KT("history__-1__at"), models.DateTimeField()))
            .filter(step_at__gte=models.Func(function="transaction_timestamp", output_field=models.DateTimeField()))
            .order_by("remind_at", "pk")
        )
        due = list(planned.filter(remind_at__lte=Now()).order_by("remind_at", "pk"))
        transaction.set_rollback(True)
    return new, due
