"""The jobs. Their names are public and never change."""

from celery import shared_task
from django.core.management import call_command

from accounts.throttle import prune_attempts


@shared_task(name="accounts.prune")
def prune() -> dict[str, int]:
    """Delete records of attempts to sign in that no limit looks at any more, and sessions that have ended."""
    call_command("clearsessions")
    return {"attempts": prune_attempts()}
