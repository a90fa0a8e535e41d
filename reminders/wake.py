"""When should the sweep run next? Beat asks twice a second, so a reminder does not wait for the next tick.

Asking has two effects: it shows that beat is alive, and whoever is told "now" has taken the right to ring (of any
number of beats, one) until a worker has answered. Every 45 s the answer is "now" though there is no work: that ring
shows that beat, broker and worker are there, and has the mail server visited (reminders/canary.py).
"""

from time import monotonic
from typing import Any

from django.db import connection

from reminders import canary, outcomes
from reminders.channels import EMAIL
from reminders.sweep import BELL
from work import bell
from work.failpoints import reached

BEAT = "beat"
SWEEP_QUEUE = "celery"
PULSE_SECONDS = 5.0

# An answer from a future that only a clock set back can explain is none.
NEXT = """
    WITH bell AS (SELECT name, rung_at, answered_at FROM work_bell WHERE name IN (%(sweep)s, %(mail)s)),
    breaker AS (SELECT open_until FROM work_breaker WHERE name = %(channel)s)
    SELECT EXTRACT(epoch FROM least(
        (SELECT at FROM reminders_taskchange ORDER BY id LIMIT 1),                       -- index: primary key
        (SELECT at FROM reminders_rulechange ORDER BY id LIMIT 1),                       -- index: primary key
        (SELECT at FROM reminders_personchange ORDER BY id LIMIT 1),                     -- index: primary key
        (SELECT min(remind_at) FROM reminders_reminder WHERE status = 'planned'),        -- index: reminder_planned
        (SELECT min(created_at) FROM attachments_attachment WHERE is_untold),            -- index: attachment_untold
        (SELECT min(lease_until) FROM reminders_delivery WHERE status = 'leased'),       -- index: delivery_leased
        (SELECT greatest(min(not_before), (SELECT open_until FROM breaker))
           FROM reminders_delivery WHERE status = 'queued'),                             -- index: delivery_queued
        (SELECT coalesce(max(answered_at) + %(every)s, clock_timestamp()) FROM bell
          WHERE name = %(sweep)s AND answered_at < clock_timestamp() + %(every)s),
        (SELECT greatest(coalesce(max(answered_at) + %(every)s, clock_timestamp()), max(rung_at) + %(lost_after)s,
                         (SELECT open_until FROM breaker)) FROM bell
          WHERE name = %(mail)s AND answered_at < clock_timestamp() + %(every)s)
    ) - clock_timestamp())
"""

_last_pulse = float("-inf")


def seconds_until_work() -> float:
    """Seconds until the sweep finds something to do or the canary is due, by PostgreSQL's clock; 0 or less: now."""
    parameters: dict[str, Any] = {
        "channel": EMAIL, "every": canary.every(), "sweep": BELL, "mail": outcomes.MAIL, "lost_after": bell.LOST_AFTER,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(NEXT, parameters)
        (seconds,) = cursor.fetchone() or (0.0,)
    return float(seconds)


def is_tick_wanted() -> bool:
    """Whether the caller shall publish a sweep now. The wake source of `due-soon-reminders`."""
    pulse()
    is_wanted = seconds_until_work() <= 0 and not bell.is_full(SWEEP_QUEUE) and bell.ring_once(BELL)
    if is_wanted:
        reached("tick taken")
    return is_wanted


def pulse() -> None:
    """Show every few seconds that somebody asks."""
    global _last_pulse
    if monotonic() - _last_pulse >= PULSE_SECONDS:
        bell.answer(BEAT)
        _last_pulse = monotonic()
