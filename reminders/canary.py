"""The canary: a visit to the mail server while there is nothing to send, so that it is known before it is needed.

It travels like a reminder: beat → broker → worker, which sweeps → broker → worker, which connects, says EHLO, and
leaves. Any accepted message is as good. reminders/health.py looks at what has answered.
"""

from datetime import timedelta

from django.conf import settings

from reminders.channels import EMAIL
from reminders.channels.base import TransportError
from reminders.post import Post
from work import bell, breaker
from work.models import Bell
from work.step import in_

MAIL = "mail server"
"""The bell that the mail server answers."""


def late() -> timedelta:
    """The promise is broken when something that should have happened has not for so long."""
    return timedelta(seconds=settings.HEALTH_LATE_SECONDS)


def every() -> timedelta:
    """Each part of the way is heard of so often at least, though there be no work: twice before it is late."""
    return late() * 0.375


def is_visit_due() -> bool:
    return not Bell.objects.filter(name=MAIL, answered_at__gt=in_(-every()), answered_at__lt=in_(every())).exists()


def visit(*, is_probe: bool) -> None:
    """Connect and leave; as often as the breaker takes to open, if that fails."""
    while True:
        try:
            with Post() as post:
                post.open(EMAIL)
        except TransportError as error:
            breaker.trip(EMAIL, str(error), probing=is_probe)
            if is_probe or breaker.is_open(EMAIL):
                return
        else:
            breaker.reached(EMAIL)
            bell.answer(MAIL)
            return
