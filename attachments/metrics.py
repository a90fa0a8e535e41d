"""How files stand, read from PostgreSQL when it is scraped. Counts of steps are work.step's: `attachment ready`, …"""

import json
from collections.abc import Iterator

from django.db import connection
from prometheus_client.core import GaugeMetricFamily

from attachments.models import Attachment

# What is ready is not counted, for that grows for ever; each of the others has a partial index.
STATES = [state for state in Attachment.State if state != Attachment.State.READY]

GAUGES = """
    SELECT (SELECT coalesce(jsonb_object_agg(state, number), '{}') FROM (  -- index: attachment_not_ready
               SELECT state, count(*) AS number FROM attachments_attachment
               WHERE state <> 'ready' AND deleted_at IS NULL GROUP BY state) AS states)::text,
           (SELECT count(*) FROM attachments_scan WHERE status = 'queued'),
           (SELECT count(*) FROM attachments_scan WHERE status = 'leased'),
           (SELECT count(*) FROM attachments_thumbnailing WHERE status = 'queued'),
           (SELECT count(*) FROM attachments_thumbnailing WHERE status = 'leased'),
           (SELECT count(*) FROM attachments_erasure WHERE not_before <= statement_timestamp()),
           (SELECT coalesce(EXTRACT(epoch FROM clock_timestamp() - min(not_before)), 0)
              FROM attachments_scan WHERE status = 'queued' AND not_before < statement_timestamp())
"""


def gauges() -> Iterator[GaugeMetricFamily]:
    """How things stand now, from PostgreSQL: the same whichever process is asked."""
    with connection.cursor() as cursor:
        cursor.execute(GAUGES)
        said, *numbers = cursor.fetchone()
    counted = json.loads(said)
    states = GaugeMetricFamily("taskapp_attachments", "Attachments that are not ready.", labels=["state"])
    for state in STATES:
        states.add_metric([str(state)], counted.get(state, 0))
    yield states
    stages = GaugeMetricFamily("taskapp_attachment_stages", "Stages that are not done.", labels=["stage", "status"])
    labels = [(stage, status) for stage in ("scan", "thumbnailing") for status in ("queued", "leased")]
    for label, number in zip(labels, numbers, strict=False):
        stages.add_metric(label, number)
    yield stages
    erasures, oldest = map(float, numbers[4:])
    yield GaugeMetricFamily("taskapp_files_to_erase", "Files that are to go, and are not gone.", erasures)
    yield GaugeMetricFamily("taskapp_oldest_due_scan_seconds", "For how long the oldest scan has been due.", oldest)
