"""The canary: a visit to the mail server while there is nothing to send, so that it is known before it is needed.

It travels like a reminder: beat → broker → worker, which sweeps → broker → worker, which connects, says EHLO, and
leaves. Any accepted message is as good. reminders/health.py looks at what has answered.
"""

from datetime import timedelta

from django.conf import settings

from reminders import awaiting
from reminders.channels import EMAIL
from reminders.conversations import Failed, Flight
from reminders.outcomes import MAIL
from work import breaker
from work.models import Bell
from work.step import in_


def late() -> timedelta:
    """The promise is broken when something that should have happened has not for so long."""
    return timedelta(seconds=settings.HEALTH_LATE_SECONDS)


def every() -> timedelta:
    """Each part of the way is heard of so often at least, though there be no work: twice before it is late."""
    return late() * 0.375


def is_visit_due() -> bool:
    return not Bell.objects.filter(name=MAIL, answered_at__gt=in_(-every()), answered_at__lt=in_(every())).exists()


def visit(*, is_probe: bool) -> None:
    """Connect and leave; as often as the breaker takes to open, if that fails.

    A server that takes long to greet is not waited for here (reminders/awaiting.py).
    """
    flight = Flight()
    while True:
        flight.open(EMAIL, probing=is_probe)
        match flight.next_event(awaiting.CONNECTING_SECONDS):
            case Failed() as failed:
                if not awaiting.could_not_open(failed) or is_probe or breaker.is_open(EMAIL):
                    return
            case None:
                awaiting.take(flight)
                return
            case _:
                awaiting.was_reached(EMAIL)
                flight.close()
                return
