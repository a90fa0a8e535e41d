"""The jobs. Their names are public and never change."""

from datetime import timedelta
from typing import Any

from celery import Task, shared_task
from celery.signals import worker_process_init, worker_process_shutdown
from django.conf import settings

from reminders import awaiting, delivering, pruning, sweep
from work import recycling
from work.jobs import worth_keeping


@shared_task(bind=True, name="reminders.send_due_soon")
def send_due_soon_reminders(self: "Task[Any, Any]") -> dict[str, int]:
    """Plan what changed, hand over what is due, and ring for the workers. Safe at any time and twice at once."""
    return worth_keeping(self, sweep.send_due_soon())


@shared_task(bind=True, name="reminders.deliver")
def deliver(self: "Task[Any, Any]") -> dict[str, int]:
    """Claim deliveries, a batch at a time, and send them; ring again while more wait."""
    counts = delivering.deliver_batch(go_on=delivering.GO_ON_SECONDS)
    if counts.get("claimed"):
        sweep.ring_for_deliveries()
    return worth_keeping(self, counts)


@shared_task(bind=True, name="reminders.prune")
def prune(self: "Task[Any, Any]") -> dict[str, int]:
    """Delete the history of reminders, and deleted tasks, that are older than the settings say."""
    return worth_keeping(
        self,
        pruning.prune(
            history=timedelta(days=settings.HISTORY_DAYS), tombstones=timedelta(days=settings.TOMBSTONE_DAYS)
        ),
    )


@worker_process_init.connect
def let_conversations_outlive_jobs(**kwargs: object) -> None:
    """A child of a worker goes on after a job: answers that are out are waited for beside the next ones."""
    awaiting.let_conversations_outlive_jobs()
    recycling.unless(awaiting.is_busy)


@worker_process_shutdown.connect
def wait_for_answers(**kwargs: object) -> None:
    """The worker stops."""
    awaiting.stop(seconds=settings.WORKER_STOP_SECONDS)
