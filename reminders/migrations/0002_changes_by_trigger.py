"""The change queue: triggers that append "look at this task again", and "look at this rule's tasks again".

Statement triggers with transition tables: one INSERT for any number of rows, whoever changed them. There is no UNIQUE
and no ON CONFLICT, which would make writers of the same task wait for each other.
"""

from django.db import migrations

TASKS = """
CREATE FUNCTION reminders_tasks_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reminders_taskchange (task_id, due_at)
    SELECT id, due_at FROM new_tasks WHERE due_at IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION reminders_tasks_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reminders_taskchange (task_id, due_at)
    SELECT new_tasks.id, new_tasks.due_at
    FROM new_tasks JOIN old_tasks ON old_tasks.id = new_tasks.id
    WHERE (new_tasks.due_at, new_tasks.timezone, new_tasks.all_day, new_tasks.status, new_tasks.owner_id, new_tasks.deleted_at)
          IS DISTINCT FROM
          (old_tasks.due_at, old_tasks.timezone, old_tasks.all_day, old_tasks.status, old_tasks.owner_id, old_tasks.deleted_at);
    RETURN NULL;
END
$$;

CREATE TRIGGER reminders_tasks_inserted AFTER INSERT ON taskapp_task
REFERENCING NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION reminders_tasks_inserted();

CREATE TRIGGER reminders_tasks_updated AFTER UPDATE ON taskapp_task
REFERENCING OLD TABLE AS old_tasks NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION reminders_tasks_updated();
"""

RULES = """
CREATE FUNCTION reminders_rule_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The tasks it applied to, and those it applies to now.
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO reminders_rulechange (rule_id, owner_id, task_id) VALUES (OLD.id, OLD.owner_id, OLD.task_id);
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE'
            AND (NEW.owner_id, NEW.task_id) IS DISTINCT FROM (OLD.owner_id, OLD.task_id)) THEN
        INSERT INTO reminders_rulechange (rule_id, owner_id, task_id) VALUES (NEW.id, NEW.owner_id, NEW.task_id);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER reminders_rule_changed AFTER INSERT OR UPDATE OR DELETE ON reminders_reminderrule
FOR EACH ROW EXECUTE FUNCTION reminders_rule_changed();
"""

# The queues turn over completely all day, and their claims read dead rows until vacuum has been there.
VACUUM = """
ALTER TABLE reminders_taskchange SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
                                      autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
ALTER TABLE reminders_reminder SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02,
                                    fillfactor = 85);
ALTER TABLE reminders_delivery SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02,
                                    fillfactor = 70);
"""

BACK = """
DROP TRIGGER reminders_rule_changed ON reminders_reminderrule;
DROP TRIGGER reminders_tasks_updated ON taskapp_task;
DROP TRIGGER reminders_tasks_inserted ON taskapp_task;
DROP FUNCTION reminders_rule_changed();
DROP FUNCTION reminders_tasks_updated();
DROP FUNCTION reminders_tasks_inserted();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("reminders", "0001_initial"),
        ("taskapp", "0002_task_kept_by_trigger"),
        ("work", "0002_work_note"),
        ("accounts", "0001_initial"),
    ]
    operations = [
        migrations.RunSQL(TASKS + RULES, BACK),
        migrations.RunSQL(VACUUM, migrations.RunSQL.noop),
    ]
