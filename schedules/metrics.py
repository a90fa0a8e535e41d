"""How schedules stand, read from PostgreSQL when it is scraped."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily

from schedules.statements import fetch

# Indexes: run_look, schedule_look, schedule_broken, none of which holds what is settled.
GAUGES = """
    SELECT count(*) FILTER (WHERE status = 'due'), count(*) FILTER (WHERE status = 'published'),
           count(*) FILTER (WHERE status = 'started'),
           (SELECT coalesce(EXTRACT(epoch FROM clock_timestamp() - min(look_at)), 0)
              FROM schedules_schedulestate WHERE look_at < statement_timestamp()),
           (SELECT count(*) FROM schedules_schedulestate WHERE problem <> '')
    FROM schedules_schedulerun WHERE look_at IS NOT NULL
"""


def gauges() -> Iterator[GaugeMetricFamily]:
    """The same whichever process is asked."""
    (due, published, started, late, broken) = map(float, fetch(GAUGES)[0])
    runs = GaugeMetricFamily("taskapp_schedule_runs", "Runs of schedules that are not settled.", labels=["status"])
    for status, count in (("due", due), ("published", published), ("started", started)):
        runs.add_metric([status], count)
    yield runs
    yield GaugeMetricFamily(
        "taskapp_oldest_due_schedule_seconds", "For how long beat has not looked at the schedule that is due.", late
    )
    yield GaugeMetricFamily("taskapp_broken_schedules", "Schedules that cannot run.", broken)
