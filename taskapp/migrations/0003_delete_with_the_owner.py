"""Tasks and tags go with their owner, and what hangs on a task with the task, whoever adds something meanwhile."""

from django.db import migrations

from work.cascade import on_delete_cascade


class Migration(migrations.Migration):
    dependencies = [("taskapp", "0002_task_kept_by_trigger")]
    operations = [
        on_delete_cascade("taskapp_task", "owner_id"),
        on_delete_cascade("taskapp_tag", "owner_id"),
        on_delete_cascade("taskapp_task_tags", "task_id"),
        on_delete_cascade("taskapp_task_tags", "tag_id"),
        on_delete_cascade("taskapp_idempotencykey", "owner_id"),
        on_delete_cascade("taskapp_idempotencykey", "task_id"),
    ]
