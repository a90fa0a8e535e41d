"""The language that a person wants to be spoken to in."""

from django.db import migrations, models

import accounts.validators


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_delete_with_the_user"),
    ]

    operations = [
        migrations.AddField(
            model_name="preference",
            name="language",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="A language's code. Empty: what the browser asks for, and English in mails.",
                max_length=20,
                validators=[accounts.validators.validate_language],
            ),
        ),
    ]
