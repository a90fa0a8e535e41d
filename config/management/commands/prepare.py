"""manage.py prepare: everything that a release needs before its processes start. Safe to run again and at once."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from config import time_zones
from mail.addresses import AddressError, read_address
from reminders.zone_rules import follow_zone_rules
from schedules.changes import look_at_crontabs
from taskapp.models import TimeZoneRules
from work.step import clock

ONE_AT_A_TIME = 0x70726570  # an advisory lock: two releases at once migrate one after the other


class Command(BaseCommand):
    help = "Apply the migrations and new rules of time zones, and make the first administrator where there is none."

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")  # the other one may take long
            cursor.execute("SELECT pg_advisory_lock(%s)", [ONE_AT_A_TIME])
            cursor.execute("RESET lock_timeout")
            call_command("migrate", interactive=False, verbosity=0)
            self.follow_zone_rules()
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ONE_AT_A_TIME])
        if make_first_administrator():
            self.stdout.write(f"Made the administrator {administrator()}.")

    def follow_zone_rules(self) -> None:
        """Once for each version of the rules of time zones: due dates keep their wall time, and schedules theirs."""
        version = time_zones.version()
        if TimeZoneRules.objects.filter(version=version).exists():
            return
        moved = follow_zone_rules()
        look_at_crontabs()
        TimeZoneRules.objects.update_or_create(pk=1, defaults={"version": version, "applied_at": clock()})
        if moved:
            which = "1 due date follows" if moved == 1 else f"{moved} due dates follow"
            self.stdout.write(f"{which} the time zone rules of tzdata {version}.")


def administrator() -> str:
    return os.environ.get("ADMIN_USERNAME") or "admin"


@transaction.atomic
def make_first_administrator() -> bool:
    """Make ADMIN_USERNAME if nobody is a superuser; say whether that was so.

    Without ADMIN_PASSWORD the password is made up, and kept in DATA_DIR/admin-password, mode 0600.
    """
    if User.objects.filter(is_superuser=True).exists():
        return False
    email = first_address()
    password = os.environ.get("ADMIN_PASSWORD") or keep(secrets.token_urlsafe(12))
    User.objects.create_superuser(administrator(), email, password)
    return True


def first_address() -> str:
    given = os.environ.get("ADMIN_EMAIL")
    if not given:
        return f"{administrator()}@localhost"
    try:
        read_address(given)
    except AddressError as error:
        raise CommandError(f"ADMIN_EMAIL cannot be used: {error}.") from error
    return given


def keep(password: str) -> str:
    path = Path(settings.DATA_DIR) / "admin-password"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(password + "\n")
    return password
