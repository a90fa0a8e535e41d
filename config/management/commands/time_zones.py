"""manage.py time_zones: the copies of the time zone rules on this machine, and which one is used."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from django.utils import timezone

from config import time_zones

# The only statement that converts zones: it asks for PostgreSQL's own rules, and nothing but this page sees the answer.
POSTGRESQL_OFFSETS = """
    SELECT zone.name, array_agg(
        EXTRACT(epoch FROM (week AT TIME ZONE zone.name) - (week AT TIME ZONE 'UTC'))::int ORDER BY week)
    FROM unnest(%s::text[]) AS zone(name) JOIN pg_timezone_names USING (name)
    CROSS JOIN unnest(%s::timestamptz[]) AS week
    GROUP BY zone.name
"""


class Command(BaseCommand):
    help = "Show the copies of the time zone rules on this machine, and which one is used."

    def handle(self, *args: Any, **options: Any) -> None:
        today = timezone.now().date()
        ours = time_zones.packaged_offsets()
        self.stdout.write(f"used      {time_zones.in_words(today)}: {len(ours)} zones, in {time_zones.RULES}")
        if host := time_zones.host_version():
            self.stdout.write(f"not used  the host's, {host}: {compared(ours, time_zones.host_offsets())}")
        self.stdout.write(f"not used  PostgreSQL's own, of no stated release: {compared(ours, postgresql_offsets())}")
        if old := time_zones.warning(time_zones.version(), today):
            self.stdout.write(self.style.WARNING(f"Warning: {old}."))


def postgresql_offsets() -> dict[str, list[int]]:
    with connection.cursor() as cursor:
        cursor.execute(POSTGRESQL_OFFSETS, [sorted(time_zones.packaged_offsets()), time_zones.weeks()])
        return dict(cursor.fetchall())


def compared(ours: dict[str, list[int]], others: dict[str, list[int]]) -> str:
    """How two copies differ, in words."""
    first, last = (each.year for each in (time_zones.COMPARED[0], time_zones.weeks()[-1]))
    differing = sorted(name for name in ours.keys() & others.keys() if ours[name] != others[name])
    missing = sorted(ours.keys() - others.keys())
    said = f"differs for {len(differing)} zones in {first}-{last}"
    said += f" ({', '.join(differing[:5])}{', …' if len(differing) > 5 else ''})" if differing else ""
    return said + (f", lacks {len(missing)}" if missing else "")
