"""/metrics for Prometheus: what all processes on the machine have counted, and what PostgreSQL says now."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog
from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from attachments import metrics as attachments_metrics
from reminders import metrics as reminders_metrics
from schedules import metrics as schedules_metrics

log = structlog.get_logger("config")


class Counted(Collector):
    """The counts of web and workers. Each process writes files of its own, in one directory per host name."""

    def collect(self) -> Iterator[Metric]:
        found = Path(settings.METRICS_DIR).glob("*/*.db")
        files = [str(path) for path in found if path.stat().st_size]  # a full disk takes a name without a content
        try:
            yield from merged(files)
        except Exception:  # whatever it comes of: a file in pieces takes none of the others along
            yield from merged(file for file in files if is_readable(file))


def merged(files: Iterable[str]) -> list[Metric]:
    return list(MultiProcessCollector.merge(files, accumulate=True))  # type: ignore[no-untyped-call]


def is_readable(file: str) -> bool:
    try:
        merged([file])
    except Exception as error:
        log.warning("a file of counts cannot be read, and is left out", path=file, error=repr(error))
        return False
    return True


class Standing(Collector):
    """How reminders, attachments and schedules stand. A database that is down leaves the counts readable."""

    def collect(self) -> Iterator[Metric]:
        try:
            yield from [*reminders_metrics.gauges(), *attachments_metrics.gauges(), *schedules_metrics.gauges()]
        except AnyDatabaseError:
            return


def metrics(request: HttpRequest) -> HttpResponse:
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry.register(Counted())
    registry.register(Standing())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
