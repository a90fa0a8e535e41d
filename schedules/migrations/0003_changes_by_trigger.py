"""What the database does by itself: it notes edits of schedules whoever makes them, and deletes along with a schedule.

Statement triggers with transition tables: one INSERT for any number of rows. The columns are named, so that copying
`last_run_at` forward is no edit; turning it back is one, since an old copy of the row was saved then.
"""

from django.db import migrations

FOREIGN_KEYS = """
ALTER TABLE schedules_policy ADD CONSTRAINT schedules_policy_schedule FOREIGN KEY (schedule_id)
    REFERENCES django_celery_beat_periodictask (id) ON DELETE CASCADE;
ALTER TABLE schedules_schedulestate ADD CONSTRAINT schedules_schedulestate_schedule FOREIGN KEY (schedule_id)
    REFERENCES django_celery_beat_periodictask (id) ON DELETE CASCADE;
ALTER TABLE schedules_schedulerun ADD CONSTRAINT schedules_schedulerun_schedule FOREIGN KEY (schedule_id)
    REFERENCES django_celery_beat_periodictask (id) ON DELETE CASCADE;
"""

FOREIGN_KEYS_BACK = """
ALTER TABLE schedules_policy DROP CONSTRAINT schedules_policy_schedule;
ALTER TABLE schedules_schedulestate DROP CONSTRAINT schedules_schedulestate_schedule;
ALTER TABLE schedules_schedulerun DROP CONSTRAINT schedules_schedulerun_schedule;
"""

SCHEDULES = """
CREATE FUNCTION schedules_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO schedules_schedulechange (schedule_id) SELECT id FROM new_rows;
    RETURN NULL;
END
$$;

CREATE FUNCTION schedules_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO schedules_schedulechange (schedule_id, is_resumed)
    SELECT n.id, n.enabled AND NOT o.enabled FROM new_rows AS n JOIN old_rows AS o ON o.id = n.id
    WHERE (n.name, n.task, n.args, n.kwargs, n.queue, n.exchange, n.routing_key, n.headers, n.priority, n.expires,
           n.expire_seconds, n.one_off, n.start_time, n.enabled, n.interval_id, n.crontab_id, n.clocked_id, n.solar_id)
          IS DISTINCT FROM
          (o.name, o.task, o.args, o.kwargs, o.queue, o.exchange, o.routing_key, o.headers, o.priority, o.expires,
           o.expire_seconds, o.one_off, o.start_time, o.enabled, o.interval_id, o.crontab_id, o.clocked_id, o.solar_id)
       OR n.total_run_count < o.total_run_count OR n.last_run_at < o.last_run_at
       OR (n.last_run_at IS NULL AND o.last_run_at IS NOT NULL);
    RETURN NULL;
END
$$;

CREATE TRIGGER schedules_inserted AFTER INSERT ON django_celery_beat_periodictask
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION schedules_inserted();

CREATE TRIGGER schedules_updated AFTER UPDATE ON django_celery_beat_periodictask
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION schedules_updated();
"""

SCHEDULES_BACK = """
DROP TRIGGER schedules_updated ON django_celery_beat_periodictask;
DROP TRIGGER schedules_inserted ON django_celery_beat_periodictask;
DROP FUNCTION schedules_updated();
DROP FUNCTION schedules_inserted();
"""

# What several schedules may share: all of them are looked at. (Deleting such a row deletes its schedules.)
SHARED = """
CREATE FUNCTION schedules_{kind}_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO schedules_schedulechange (schedule_id)
    SELECT t.id FROM new_rows AS n JOIN old_rows AS o ON o.id = n.id
    JOIN django_celery_beat_periodictask AS t ON t.{kind}_id = n.id
    WHERE n IS DISTINCT FROM o;
    RETURN NULL;
END
$$;

CREATE TRIGGER schedules_{kind}_updated AFTER UPDATE ON django_celery_beat_{kind}schedule
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
EXECUTE FUNCTION schedules_{kind}_updated();
"""

SHARED_BACK = """
DROP TRIGGER schedules_{kind}_updated ON django_celery_beat_{kind}schedule;
DROP FUNCTION schedules_{kind}_updated();
"""

POLICIES = """
CREATE FUNCTION schedules_policies_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO schedules_schedulechange (schedule_id) SELECT schedule_id FROM changed_rows;
    RETURN NULL;
END
$$;

CREATE TRIGGER schedules_policies_inserted AFTER INSERT ON schedules_policy
REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION schedules_policies_changed();
CREATE TRIGGER schedules_policies_updated AFTER UPDATE ON schedules_policy
REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION schedules_policies_changed();
CREATE TRIGGER schedules_policies_deleted AFTER DELETE ON schedules_policy
REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION schedules_policies_changed();
"""

POLICIES_BACK = """
DROP TRIGGER schedules_policies_deleted ON schedules_policy;
DROP TRIGGER schedules_policies_updated ON schedules_policy;
DROP TRIGGER schedules_policies_inserted ON schedules_policy;
DROP FUNCTION schedules_policies_changed();
"""

# Queue and ledger turn over all day, and every tick rewrites a state and, through its copies, a schedule.
VACUUM = """
ALTER TABLE schedules_schedulechange SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
                                          autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
ALTER TABLE schedules_schedulestate SET (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 70);
ALTER TABLE schedules_schedulerun SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02,
                                       fillfactor = 80);
"""

# Those that the stock scheduler has run so far: beat takes over where that left off.
EXISTING = "INSERT INTO schedules_schedulechange (schedule_id) SELECT id FROM django_celery_beat_periodictask"


class Migration(migrations.Migration):
    dependencies = [
        ("schedules", "0002_ledger"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [
        migrations.RunSQL(FOREIGN_KEYS, FOREIGN_KEYS_BACK),
        migrations.RunSQL(SCHEDULES, SCHEDULES_BACK),
        *(
            migrations.RunSQL(SHARED.format(kind=kind), SHARED_BACK.format(kind=kind))
            for kind in ("interval", "crontab", "clocked")
        ),
        migrations.RunSQL(POLICIES, POLICIES_BACK),
        migrations.RunSQL(VACUUM, migrations.RunSQL.noop),
        migrations.RunSQL(EXISTING, migrations.RunSQL.noop),
    ]
