"""The queue of people who can be reached again, the triggers that append to it, and the index of what they were not told.

Statement triggers with transition tables, as those on tasks: one INSERT for any number of people, whoever changed them,
and one row for a person, whatever they have. Each looks at its own table alone. If it asked the other, too, whether the
person can be reached, an account that is activated and mail that is switched on at the same time would each see the
other as it was before, and nobody would append anything.

EXCEPT and no join: a session plans these statements once, for the number of rows that it then has, and a join that was
planned for one row, a sign-in, looks at each of 100,000 rows 100,000 times.
"""

from django.db import migrations, models
from django.db.models.functions import Now

PEOPLE = """
CREATE FUNCTION reminders_accounts_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reminders_personchange (person_id)
    SELECT id FROM new_accounts WHERE is_active AND email <> ''
    EXCEPT
    SELECT id FROM old_accounts WHERE is_active AND email <> '';
    RETURN NULL;
END
$$;

CREATE FUNCTION reminders_preferences_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reminders_personchange (person_id)
    SELECT user_id FROM old_preferences WHERE NOT email_enabled
    EXCEPT
    SELECT user_id FROM new_preferences WHERE NOT email_enabled;
    RETURN NULL;
END
$$;

CREATE FUNCTION reminders_preferences_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Who has no preferences gets mail.
    INSERT INTO reminders_personchange (person_id)
    SELECT user_id FROM old_preferences WHERE NOT email_enabled;
    RETURN NULL;
END
$$;

CREATE TRIGGER reminders_accounts_updated AFTER UPDATE ON auth_user
REFERENCING OLD TABLE AS old_accounts NEW TABLE AS new_accounts
FOR EACH STATEMENT EXECUTE FUNCTION reminders_accounts_updated();

CREATE TRIGGER reminders_preferences_updated AFTER UPDATE ON accounts_preference
REFERENCING OLD TABLE AS old_preferences NEW TABLE AS new_preferences
FOR EACH STATEMENT EXECUTE FUNCTION reminders_preferences_updated();

CREATE TRIGGER reminders_preferences_deleted AFTER DELETE ON accounts_preference
REFERENCING OLD TABLE AS old_preferences
FOR EACH STATEMENT EXECUTE FUNCTION reminders_preferences_deleted();
"""

BACK = """
DROP TRIGGER reminders_preferences_deleted ON accounts_preference;
DROP TRIGGER reminders_preferences_updated ON accounts_preference;
DROP TRIGGER reminders_accounts_updated ON auth_user;
DROP FUNCTION reminders_preferences_deleted();
DROP FUNCTION reminders_preferences_updated();
DROP FUNCTION reminders_accounts_updated();
"""

# Who came back before there was this queue is looked at now.
CAME_BACK_BEFORE = """
INSERT INTO reminders_personchange (person_id)
SELECT DISTINCT recipient_id FROM reminders_delivery
WHERE reason IN ('the account is inactive', 'unsubscribed', 'no address');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_language"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("reminders", "0008_repair_0006"),
    ]
    operations = [
        migrations.CreateModel(
            name="PersonChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person_id", models.IntegerField()),
                (
                    "after_delivery_id",
                    models.BigIntegerField(db_default=0, help_text="How far the fan-out has come."),
                ),
                ("at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("reason__in", ("the account is inactive", "unsubscribed", "no address"))),
                fields=["recipient", "id"],
                name="delivery_unreached",
            ),
        ),
        migrations.RunSQL(PEOPLE, BACK),
        migrations.RunSQL(CAME_BACK_BEFORE, migrations.RunSQL.noop),
    ]
