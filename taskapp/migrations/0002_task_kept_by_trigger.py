"""What the database keeps of a task whoever writes it: version, updated_at, completed_at; and how often it is vacuumed."""

from django.db import migrations

CREATE = """
CREATE FUNCTION taskapp_keep_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.version := OLD.version + 1;
        NEW.created_at := OLD.created_at;
        NEW.updated_at := clock_timestamp();
    END IF;
    IF NEW.status <> 'done' THEN
        NEW.completed_at := NULL;
    ELSIF NEW.completed_at IS NULL THEN
        NEW.completed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER taskapp_keep_task BEFORE INSERT OR UPDATE ON taskapp_task
FOR EACH ROW EXECUTE FUNCTION taskapp_keep_task();
"""

DROP = """
DROP TRIGGER taskapp_keep_task ON taskapp_task;
DROP FUNCTION taskapp_keep_task();
"""


class Migration(migrations.Migration):
    dependencies = [("taskapp", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
