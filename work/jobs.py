"""What jobs have in common."""

from typing import TypeVar

from celery import Task
from celery.exceptions import Ignore

Counts = TypeVar("Counts", bound=dict[str, int])


def worth_keeping(job: "Task[..., object]", counts: Counts) -> Counts:
    """The result of a job that counts what it did; one rung by a machine that found nothing to do stores none.

    Called directly or with `.delay()`, somebody waits for the result, so it is kept.
    """
    request = job.request
    rung = getattr(request, "periodic_task_name", None) or (request.headers or {}).get("rung") or request.get("rung")
    if rung and not request.called_directly and not any(counts.values()):
        raise Ignore
    return counts
