"""Classes of jobs. No models here, so that the Celery app can name one before Django is set up.

Every job of an app with `task_cls="schedules.jobs:Job"` is a Job: of several messages about one run, however they came
about, the first starts it. When the ledger cannot be asked, it runs all the same, and may run twice; a job of class
OncePerTick does not run then.
"""

from typing import Any

from celery import Task
from celery.exceptions import Ignore

RUN = "schedule_run"
"""Header of a message: the run that it is about."""

OWN_HEADERS = frozenset({
    "id", "task", "lang", "root_id", "parent_id", "group", "group_index", "eta", "expires", "retries", "timelimit",
    "argsrepr", "kwargsrepr", "origin", "shadow", "ignore_result", "replaced_task_nesting", "stamped_headers", "stamps",
    "periodic_task_name", RUN,
})  # fmt: skip
"""Headers that Celery and the ledger set: a message with others is not the run that it is about."""


class TakenBefore:
    """What `take` answers when another message was first."""


def is_of_run(request: Any) -> bool:
    """Whether the message is about a run; as the job sees it, and as the worker's parent does."""
    headers = getattr(request, "headers", None) or getattr(request, "request_dict", None) or {}
    return RUN in headers


class Job(Task):  # type: ignore[type-arg]
    """A job that starts once for each start that the ledger counts."""

    abstract = True

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        if isinstance(getattr(self.request, "taken", None), TakenBefore):
            raise Ignore(f"run {task_id} was started by another message, or is not wanted any more")


class OncePerTick(Job):
    """A job that does not start unless the ledger says that it is the first to do so for its tick.

    For what must not be done twice. A tick whose start nobody saw the end of is not repeated: let the schedule's policy
    say so, too, or beat sends a message that this class then refuses.
    """

    abstract = True

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        super().before_start(task_id, args, kwargs)
        starts_of_this_run = 1 + (self.request.retries or 0)
        if is_of_run(self.request) and getattr(self.request, "taken", None) != starts_of_this_run:
            reason = "it may have been started before, and must not be twice"
            self.request.update(refused=reason)  # for the ledger
            raise Ignore(reason)
