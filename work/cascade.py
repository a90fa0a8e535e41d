"""Foreign keys along which PostgreSQL itself deletes, for migrations.

Django deletes what it has read: a row that another transaction adds meanwhile refers to nothing, and the deletion ends
in an error at its commit. With ON DELETE CASCADE in the database it goes along. `on_delete=CASCADE` stays in the model,
for what Django shows before it deletes.
"""

from django.db.migrations import RunSQL

REPLACE = """
DO $$
DECLARE
    own text;
    target text;
BEGIN
    SELECT fkey.conname, fkey.confrelid::regclass::text INTO STRICT own, target
    FROM pg_constraint AS fkey
    JOIN pg_attribute AS own_column ON own_column.attrelid = fkey.conrelid AND own_column.attname = '{column}'
    WHERE fkey.contype = 'f' AND fkey.conrelid = '{table}'::regclass AND fkey.conkey = ARRAY[own_column.attnum];
    EXECUTE format('ALTER TABLE {table} DROP CONSTRAINT %I, ADD CONSTRAINT %I FOREIGN KEY ({column})
                    REFERENCES %s (id) {action} DEFERRABLE INITIALLY DEFERRED', own, own, target);
END
$$
"""


def on_delete_cascade(table: str, column: str) -> RunSQL:
    """Let rows of `table` go with the row that `column` refers to."""
    return RunSQL(
        REPLACE.format(table=table, column=column, action="ON DELETE CASCADE"),
        REPLACE.format(table=table, column=column, action=""),
    )
