"""Lets the trigger on updated tasks compare by EXCEPT, as those on people do.

A session plans the trigger's statement once, for the number of rows that it then has. After the update of one task the
join was a nested loop, and an update of 100,000 tasks in the same session looked at each of them 100,000 times: it had
not ended after a minute.
"""

from importlib import import_module

from django.db import migrations

REPLACE = """
CREATE OR REPLACE FUNCTION reminders_tasks_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reminders_taskchange (task_id, due_at)
    SELECT id, due_at FROM (
        SELECT id, due_at, timezone, all_day, status, owner_id, deleted_at FROM new_tasks
        EXCEPT
        SELECT id, due_at, timezone, all_day, status, owner_id, deleted_at FROM old_tasks
    ) AS changed;
    RETURN NULL;
END
$$;
"""

BEFORE = import_module("reminders.migrations.0002_changes_by_trigger").TASKS
BACK = (
    "CREATE OR REPLACE FUNCTION reminders_tasks_updated()"
    + BEFORE.split("CREATE FUNCTION reminders_tasks_updated()")[1].partition("$$;")[0]
    + "$$;"
)


class Migration(migrations.Migration):
    dependencies = [("reminders", "0009_who_comes_back")]
    operations = [migrations.RunSQL(REPLACE, BACK)]
