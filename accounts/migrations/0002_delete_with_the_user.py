"""Tokens and preferences go with their user, whoever adds one meanwhile."""

from django.db import migrations

from work.cascade import on_delete_cascade


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [
        on_delete_cascade("accounts_token", "user_id"),
        on_delete_cascade("accounts_preference", "user_id"),
    ]
