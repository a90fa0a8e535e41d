"""What the reminders count and measure. Counts of steps are work.step's; gauges are read when they are scraped."""

from collections.abc import Iterator

from django.db import connection
from prometheus_client import Histogram
from prometheus_client.core import GaugeMetricFamily

LATENESS = Histogram(
    "taskapp_delivery_lateness_seconds",
    "From the moment a reminder was due to the mail server's acceptance.",
    buckets=[0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400],
)

# Each reads a partial index over what is not over yet, never the whole history. By the clock of the statement, for
# with clock_timestamp() an index cannot be searched: every row is asked.
GAUGES = """
    SELECT (SELECT count(*) FROM reminders_taskchange),
           (SELECT count(*) FROM reminders_delivery WHERE status = 'queued'),
           (SELECT count(*) FROM reminders_delivery WHERE status = 'leased'),
           (SELECT count(*) FROM reminders_delivery WHERE status = 'failed'),
           (SELECT coalesce(EXTRACT(epoch FROM clock_timestamp() - min(not_before)), 0)
              FROM reminders_delivery WHERE status = 'queued' AND not_before < statement_timestamp()),
           (SELECT coalesce(EXTRACT(epoch FROM clock_timestamp() - min(remind_at)), 0)
              FROM reminders_reminder WHERE status = 'planned' AND remind_at < statement_timestamp())
"""


def gauges() -> Iterator[GaugeMetricFamily]:
    """How things stand now, from PostgreSQL: the same whichever process is asked."""
    with connection.cursor() as cursor:
        cursor.execute(GAUGES)
        changes, queued, leased, failed, late_deliveries, late_reminders = map(float, cursor.fetchone() or [0] * 6)
    yield GaugeMetricFamily("taskapp_changes_waiting", "Task changes that nobody has planned yet.", changes)
    deliveries = GaugeMetricFamily("taskapp_deliveries", "Deliveries that are not over.", labels=["status"])
    for status, count in (("queued", queued), ("leased", leased), ("failed", failed)):
        deliveries.add_metric([status], count)
    yield deliveries
    yield GaugeMetricFamily(
        "taskapp_oldest_due_delivery_seconds", "For how long the oldest delivery has been due.", late_deliveries
    )
    yield GaugeMetricFamily(
        "taskapp_oldest_due_reminder_seconds", "For how long the oldest planned reminder has been due.", late_reminders
    )
