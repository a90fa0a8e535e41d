"""Do the reminders go out? Looked at from the rows, so it does not matter which process broke."""

from datetime import timedelta

from django.db.models.functions import Now

from reminders.canary import every, late
from reminders.channels import EMAIL
from reminders.models import Delivery, Reminder, TaskChange
from reminders.outcomes import MAIL
from reminders.sweep import BELL
from reminders.wake import BEAT
from work.bell import LOST_AFTER
from work.models import Bell, Breaker
from work.step import in_


def beat() -> str:
    """Whether beat looks for work. It shows every few seconds that it does, so it is missed before the worker is whom
    it does not ring for any more."""
    return unheard_of(BEAT, "beat has not looked for work", since=late() / 2)


def worker() -> str:
    """Whether a worker answers the rings, of which there is one every 45 s at least (reminders/wake.py). It is missed
    before what it leaves undone is late."""
    return unheard_of(BELL, "no worker has taken a sweep", since=late() * 0.9)


def unheard_of(name: str, what: str, *, since: timedelta) -> str:
    heard = Bell.objects.filter(name=name, answered_at__gt=in_(-since), answered_at__lt=in_(since))
    return "" if heard.exists() else f"{what} for {since.total_seconds():.0f} s"


def planning() -> str:
    """The oldest change that nobody has planned, and the oldest planned reminder that nobody has handed over.

    Each in the order of an index: asked whether there is one, PostgreSQL reads the whole table in the hope of meeting
    it soon. And by the clock of the statement (reminders/metrics.py).
    """
    since = Now() - late()
    oldest_change = TaskChange.objects.order_by("id").values("pk")[:1]
    late_change = TaskChange.objects.filter(pk__in=oldest_change, at__lt=since)
    late_reminder = Reminder.objects.filter(status=Reminder.Status.PLANNED, remind_at__lt=since, created_at__lt=since)
    if late_change.exists() or late_reminder.order_by("remind_at", "id")[:1]:
        return f"reminders that are due have not been handed to delivery for {late().total_seconds():.0f} s"
    return ""


def mail() -> str:
    """Whether the mail server takes mail: the last attempts, or a visit each minute while there is nothing to send.

    A visit that is not answered is rung for every ten seconds, so the mail server is silent only while a worker still
    answers that. Else it is the worker that is to blame.
    """
    parked = Breaker.objects.filter(name=EMAIL, open_until__isnull=False).first()
    if parked is not None:
        return f"parked after {parked.failures} failed connections: {parked.reason}"
    if unheard_of(BELL, "", since=min(2 * LOST_AFTER, every())):
        return ""
    unanswered = Delivery.objects.awaiting_reply(for_=late()).count()
    if unanswered and not Breaker.objects.filter(name=EMAIL, accepted_at__gt=in_(-late())).exists():
        return f"no message was accepted for {late().total_seconds():.0f} s, and {unanswered} wait for a reply"
    return unheard_of(MAIL, "the mail server has not been reached", since=late())


def deliveries() -> str:
    """The oldest delivery that should be gone. What one recipient's answer has deferred is not due yet."""
    in_hand = Delivery.objects.exclude(handing_over=True, lease_until__gt=Now())  # it waits for the mail server
    moments = [
        Delivery.objects.overdue(Delivery.QUEUED, by=late()), in_hand.overdue(Delivery.LEASED, by=late())
    ]  # fmt: skip
    oldest = min(filter(None, moments), default=None)
    return f"a delivery has been due since {oldest:%Y-%m-%d %H:%M:%S} UTC" if oldest else ""


CHECKS = {"beat": beat, "worker": worker, "planning": planning, "mail": mail, "deliveries": deliveries}

NEEDS = {
    "beat": ["broker"],
    "worker": ["broker", "beat"],
    "planning": ["broker", "beat", "worker"],
    "mail": ["broker", "beat", "worker"],
    "deliveries": ["broker", "beat", "worker", "mail"],
}
"""What each part is heard of through: while that is down nothing is known of it, and it is not to blame."""
