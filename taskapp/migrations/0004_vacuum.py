"""How often the tasks are vacuumed: by default only after a fifth of them, which of ten million is two million."""

from django.db import migrations

OFTEN = """
ALTER TABLE taskapp_task SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)
"""
BACK = "ALTER TABLE taskapp_task RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)"


class Migration(migrations.Migration):
    dependencies = [("taskapp", "0003_delete_with_the_owner")]
    operations = [migrations.RunSQL(OFTEN, BACK)]
