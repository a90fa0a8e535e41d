"""The end of a test that has committed: its rows go, and those that every database begins with come back.

Django would TRUNCATE every table and make content types and permissions anew, which takes longer than most tests.
Nearly all tables are empty, and what is in the others is deleted within a millisecond.
"""

from importlib import import_module

from django.apps import apps
from django.db import connection
from django_celery_beat.models import PeriodicTasks

KEPT = ["django_migrations", "django_content_type", "auth_permission"]

# Again, a few times, while triggers have written to tables that were empty. Foreign keys without a cascade are checked
# at the commit.
EMPTY = f"""
DO $$
DECLARE
    name regclass;
    deleted bigint;
    others bigint := 1;
BEGIN
    FOR turn IN 1..9 LOOP
        EXIT WHEN others = 0;
        others := 0;
        FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                       AND relname <> ALL (ARRAY{KEPT})
        LOOP
            EXECUTE format('DELETE FROM %s WHERE EXISTS (SELECT FROM %s)', name, name);
            GET DIAGNOSTICS deleted = ROW_COUNT;
            others := others + deleted;
        END LOOP;
    END LOOP;
    IF others > 0 THEN
        RAISE EXCEPTION 'triggers go on writing to tables that are being emptied';
    END IF;
END
$$
"""


def empty_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
    defaults = import_module("reminders.migrations.0003_defaults")
    defaults.make_rule(apps, None)
    defaults.make_schedules(apps, None)
    import_module("schedules.migrations.0004_prune_runs").make_schedule(apps, None)
    import_module("attachments.migrations.0003_schedules").make_schedules(apps, None)
    PeriodicTasks.objects.all().delete()  # which signals have made, and migrations do not
