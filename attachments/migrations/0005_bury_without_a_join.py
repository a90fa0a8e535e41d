"""Lets the trigger on updated attachments find by EXCEPT which were deleted.

A session plans the trigger's statements once, for the number of rows that it then has. After the update of one
attachment the join stayed a nested loop, and deleting 100,000 by one statement would look at each of them 100,000 times.
`id = ANY (buried)` does so, too, once the array is no constant of the plan.
"""

from importlib import import_module

from django.db import migrations

REPLACE = """
CREATE OR REPLACE FUNCTION attachments_bury() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    buried bigint[];
BEGIN
    SELECT array_agg(id) INTO buried FROM (
        SELECT id FROM was WHERE deleted_at IS NULL EXCEPT SELECT id FROM is_now WHERE deleted_at IS NULL
    ) AS gone;
    IF buried IS NOT NULL THEN
        DELETE FROM attachments_scan WHERE attachment_id = ANY (buried);
        DELETE FROM attachments_thumbnailing WHERE attachment_id = ANY (buried);
        DELETE FROM attachments_thumbnail WHERE attachment_id = ANY (buried);
        INSERT INTO attachments_erasure (key)
        SELECT key FROM was WHERE deleted_at IS NULL EXCEPT SELECT key FROM is_now WHERE deleted_at IS NULL
        ON CONFLICT (key) DO UPDATE SET not_before = now();
    END IF;
    RETURN NULL;
END
$$;
"""

BEFORE = import_module("attachments.migrations.0002_kept_by_trigger").LET_GO
BACK = (
    "CREATE OR REPLACE FUNCTION attachments_bury()"
    + BEFORE.split("CREATE FUNCTION attachments_bury()")[1].partition("$$;")[0]
    + "$$;"
)


class Migration(migrations.Migration):
    dependencies = [("attachments", "0004_repair_0001_and_0002")]
    operations = [migrations.RunSQL(REPLACE, BACK)]
