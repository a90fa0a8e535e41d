"""Beat's loop: django-celery-beat's, that also asks wake sources.

A wake source is a function, named in SCHEDULE_WAKE_SOURCES for a schedule, that says whether its job should run now.
It is asked every SCHEDULE_WAKE_INTERVAL_SECONDS while the schedule is enabled; the schedule's own interval remains as
the net beneath it. So a request that made work publishes nothing: the work is a row, and beat finds it.

A tick published for a wake source counts as a run of its schedule in no other way: `last_run_at` and the interval
belong to the schedule.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from celery.utils.log import get_logger
from django.conf import settings
from django.db import close_old_connections
from django.utils.module_loading import import_string
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from schedules.services import publish_requests

logger = get_logger(__name__)

BROKER_TIMEOUT_SECONDS = 2.0


class WakefulScheduler(DatabaseScheduler):  # type: ignore[misc]
    """django-celery-beat's scheduler with wake sources and runs on request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.wake_sources: dict[str, Callable[[], bool]] = {
            name: import_string(path) for name, path in settings.SCHEDULE_WAKE_SOURCES.items()
        }
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due; return the seconds until the next look."""
        for part in (super().tick, self.wake, lambda: publish_requests(self.publish_model)):
            try:
                part()
            except Exception as error:  # of the database, of the broker, or of a row that somebody mistyped
                # Beat would end here. What is due is in the database, so nothing is missed by looking again soon.
                logger.warning("A part of the tick failed; looking again soon: %s", error)
                close_old_connections()
        return float(settings.SCHEDULE_WAKE_INTERVAL_SECONDS)

    @cached_property
    def connection(self) -> Any:
        """One that gives up soon: whoever waits for a frozen broker looks for nothing meanwhile."""
        return self.app.connection_for_write(transport_options={"socket_timeout": BROKER_TIMEOUT_SECONDS})

    @cached_property
    def producer(self) -> Any:
        """Connects when it publishes; the original waits for the broker before, for as long as that takes."""
        return self.Producer(self.connection, auto_declare=False)

    def all_as_schedule(self) -> dict[str, ModelEntry]:
        """The enabled schedules. One that cannot be read is left out, and told; the original would end at the first."""
        entries = {}
        for model in self.enabled_models():
            try:
                entries[model.name] = self.Entry(model, app=self.app)
            except Exception as error:
                logger.error("The schedule %s cannot be read, and does not run: %s", model.name, error)
        return entries

    def wake(self) -> None:
        """Publish a job for each schedule whose wake source wants one now."""
        for name, is_wanted in self.wake_sources.items():
            entry = self.schedule.get(name)
            if entry is not None and entry.model.enabled and is_wanted():
                self.publish(entry)

    def publish(self, entry: ModelEntry) -> None:
        """Send the entry's job now, beside its schedule.

        Without an expiry, which the worker's host would judge by its own clock: how long a run is worth its while is
        known here.
        """
        logger.debug("Waking %s", entry.name)
        options = entry.options
        entry.options = {name: value for name, value in options.items() if name != "expires"}
        try:
            self.apply_async(entry, producer=self.producer, advance=False)
        finally:
            entry.options = options

    def publish_model(self, model: PeriodicTask) -> None:
        self.publish(self.Entry(model, app=self.app))

    def setup_schedule(self) -> None:
        """Read the schedules. Unlike the original this adds none: an administrator's edits and deletions stand.

        The time of the last change is noted first, and given where there is none: the original takes the first time
        that it sees for one that it has read already, and misses that edit for five minutes.
        """
        if self.Changes.last_change() is None:
            self.Changes.update_changed()
        self._last_timestamp = self.Changes.last_change()
        self.schedule  # noqa: B018 (the property reads them)
