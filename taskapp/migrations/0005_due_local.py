"""What was meant by a due date, beside the instant; and the version of the zone rules by which those were reckoned.

The triggers keep the two in step: whoever writes `due_at`, the zone or all-day and does not name `due_local` leaves it
empty, and it is reckoned in Python later. `BEFORE UPDATE OF due_local` fires for a statement that names the column, also
when the value stays the same; it fires first, by the order of names, and marks the value as given. A change of
`due_local` alone changes nothing that a client sees, so it leaves `version` and `updated_at` as they are.
"""

from django.db import migrations, models
from django.db.models.functions import Now

import taskapp.models

KEEP = """
CREATE FUNCTION taskapp_given_due_local() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.due_local := 'given ' || NEW.due_local;
    RETURN NEW;
END
$$;

CREATE TRIGGER taskapp_given_due_local BEFORE UPDATE OF due_local ON taskapp_task
FOR EACH ROW EXECUTE FUNCTION taskapp_given_due_local();

CREATE OR REPLACE FUNCTION taskapp_keep_task() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    others record;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF starts_with(NEW.due_local, 'given ') THEN
            NEW.due_local := substr(NEW.due_local, 7);
        ELSIF (NEW.due_at, NEW.timezone, NEW.all_day) IS DISTINCT FROM (OLD.due_at, OLD.timezone, OLD.all_day) THEN
            NEW.due_local := '';
        END IF;
        IF NEW.due_local <> OLD.due_local THEN
            others := NEW;
            others.due_local := OLD.due_local;
            IF others IS NOT DISTINCT FROM OLD THEN
                RETURN NEW;
            END IF;
        END IF;
        NEW.version := OLD.version + 1;
        NEW.created_at := OLD.created_at;
        NEW.updated_at := clock_timestamp();
    END IF;
    IF NEW.due_at IS NULL THEN
        NEW.due_local := '';
    END IF;
    IF NEW.status <> 'done' THEN
        NEW.completed_at := NULL;
    ELSIF NEW.completed_at IS NULL THEN
        NEW.completed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
"""

BACK = """
DROP TRIGGER taskapp_given_due_local ON taskapp_task;
DROP FUNCTION taskapp_given_due_local();

CREATE OR REPLACE FUNCTION taskapp_keep_task() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""


class Migration(migrations.Migration):
    dependencies = [("taskapp", "0004_vacuum")]
    operations = [
        migrations.AddField(
            model_name="task",
            name="due_local",
            field=taskapp.models.DueLocalField(
                blank=True, db_default="", default="", editable=False, max_length=40, verbose_name="due, as meant",
                help_text="The wall time, or the date of an all-day task, in the task's zone.",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("due_local", ""),
                    models.Q(
                        ("due_at__isnull", False),
                        ("due_local__regex", r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{6})?Z?)?$"),
                    ),
                    _connector="OR",
                ),
                name="task_due_local_form",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False), ("due_local", "")), fields=["id"],
                name="task_without_due_local",
            ),
        ),
        migrations.RunSQL(KEEP, BACK),
        migrations.CreateModel(
            name="TimeZoneRules",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.CharField(max_length=32)),
                ("applied_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="time_zone_rules_one_row")]
            },
        ),
    ]  # fmt: skip
