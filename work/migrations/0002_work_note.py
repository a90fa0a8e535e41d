"""The function that every statement appends to a history with (work/step.py)."""

from django.db import migrations

# A history holds at most 100 entries: the first 20 tell how it began, so the oldest of the rest make room.
CREATE = """
CREATE FUNCTION work_note(history jsonb, step text, facts jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN jsonb_array_length(history) >= 100 THEN history - 20 ELSE history END
        || jsonb_build_array(jsonb_build_object('at', to_jsonb(clock_timestamp()), 'step', step) || facts)
$$
"""


class Migration(migrations.Migration):
    dependencies = [("work", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, "DROP FUNCTION work_note(jsonb, text, jsonb)")]
