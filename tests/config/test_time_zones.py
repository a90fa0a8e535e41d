"""One book of time zones: the pinned package, for Python and the C library, in every process; SQL converts nothing."""

import json
import os
import re
import subprocess
import sys
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import connection

from config import time_zones
from config.time_zones import host_lacks, released_on, version, warning
from launcher.version import __version__

CHECKOUT = Path(__file__).parents[2]
ROOMS = ["languages", "mail", "work", "accounts", "taskapp", "attachments", "reminders", "schedules", "config"]

SAMPLES = [datetime(2024, 1, 1, 0, 30, tzinfo=UTC) + number * timedelta(days=3, hours=7) for number in range(780)]
"""From 2024 to 2030, at all hours."""


def run_python(code: str, **variables: str) -> str:
    environment = {"PATH": os.environ["PATH"], **variables}
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_other_files_are_read_than_those_of_the_package():
    assert zoneinfo.TZPATH == ()
    assert "tzdata" in str(time_zones.RULES)


def test_a_process_has_the_package_before_it_reads_anything_and_so_have_its_children():
    child = "import zoneinfo; print(zoneinfo.TZPATH)"
    code = f"import config, subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"

    assert run_python(code).strip() == "()"


def test_the_c_library_reads_the_same_files():
    """Django sets TZ for it, and what shows a local time without a zone goes by that."""
    set_zone = "import config, os, time; os.environ['TZ'] = 'America/Vancouver'; time.tzset()"
    code = f"{set_zone}; print(time.localtime({datetime(2026, 11, 28, 1, 43, 57, tzinfo=UTC).timestamp()}))"

    assert "tm_hour=18, tm_min=43" in run_python(code)


def test_every_zone_agrees_with_an_implementation_that_is_not_pythons():
    """The C library's, which reads the same release."""
    code = """
import json, os, sys, time
zones, seconds = json.load(sys.stdin)
found = {}
for zone in zones:
    os.environ["TZ"] = zone
    time.tzset()
    found[zone] = [time.localtime(each).tm_gmtoff for each in seconds]
print(json.dumps(found))
"""
    zones = sorted(zoneinfo.available_timezones())
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps([zones, [each.timestamp() for each in SAMPLES]]), text=True,
        capture_output=True, check=True, env={"PATH": os.environ["PATH"], "TZDIR": str(time_zones.RULES)},
    )  # fmt: skip
    theirs = json.loads(done.stdout)

    differing = [zone for zone in zones if time_zones.offsets(ZoneInfo(zone), SAMPLES) != theirs[zone]]

    assert len(zones) > 500
    assert differing == []


# What converts a zone in PostgreSQL, by its own rules: in SQL, and in the ORM's and the admin's words for it.
CONVERTS = re.compile(
    r"(?i:AT TIME ZONE|\btimezone\('|date_trunc\([^()]*,[^()]*,|SET (LOCAL )?TIME ?ZONE|::date\b"
    r"|\bto_char\(|\bcurrent_date\b|\blocaltimestamp\b)|\bTrunc(?!ator)[A-Z]|\bExtract[A-Z][a-z]|__(date|year|month|day|week|hour)\b|\bdate_hierarchy\b"
)
ALLOWED = {"config/management/commands/time_zones.py"}  # which compares PostgreSQL's rules with ours


def test_no_statement_converts_zones():
    sources = [path for room in ROOMS for path in sorted((CHECKOUT / room).rglob("*.py"))]
    found = [
        f"{path.relative_to(CHECKOUT)}:{number}: {line.strip()}"
        for path in sources
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if str(path.relative_to(CHECKOUT)) not in ALLOWED and CONVERTS.search(line) and "strftime" not in line
    ]

    assert found == []


@pytest.mark.django_db
def test_sessions_are_in_utc():
    with connection.cursor() as cursor:
        cursor.execute("SHOW timezone")
        assert cursor.fetchone() == ("UTC",)


def pinned_versions() -> list[str]:
    return re.findall(r"^tzdata==(\S+)", (CHECKOUT / "requirements.txt").read_text(), re.MULTILINE)


def test_it_is_known_when_the_pinned_release_came_out():
    (pinned,) = pinned_versions()

    assert pinned in time_zones.RELEASED_ON


@pytest.mark.parametrize(
    ("rules", "today", "is_old"),
    [
        ("2026.6", date(2026, 11, 27), False),
        ("2026.6", date(2027, 10, 28), False),
        ("2026.6", date(2027, 10, 29), True),
        # Of one that is not known, the last day of its year: it is surely older than a year then.
        ("2025.2", date(2026, 12, 31), False),
        ("2025.2", date(2027, 1, 1), True),
    ],
)
def test_rules_older_than_a_year_are_warned_of(rules, today, is_old):
    assert bool(warning(rules, today)) is is_old


AGE = r"tzdata \d+\.\d+, \d+ days old"


def test_the_age_of_the_rules_is_told_in_days():
    (pinned,) = pinned_versions()

    assert time_zones.in_words(time_zones.RELEASED_ON[pinned] + timedelta(days=30)) == f"tzdata {pinned}, 30 days old"


def test_health_says_the_version_and_the_rules(client):
    ok, program, rules = client.get("/healthz").text.splitlines()

    assert (ok, program) == ("ok", f"Taskapp {__version__}")
    assert re.fullmatch(AGE, rules)


@pytest.mark.django_db
def test_health_warns_and_is_well_all_the_same(client, monkeypatch):
    monkeypatch.setattr(time_zones, "OLD_AFTER", timedelta(days=-(10**6)))

    answer = client.get("/healthz/reminders").json()

    assert "more than a year old" in answer["checks"]["time zones"]
    assert "time zones" not in answer["down"]


def test_the_admin_says_both_on_each_page_to_those_who_are_in(client, staff):
    assert "tzdata" not in client.get("/admin/login/").text
    client.force_login(staff)

    page = client.get("/admin/").text

    assert re.search(re.escape(f"Taskapp {__version__}, ") + AGE, page)


@pytest.mark.django_db
def test_one_command_shows_all_copies_and_which_is_used():
    said = StringIO()
    call_command("time_zones", stdout=said)

    lines = [line for line in said.getvalue().splitlines() if not line.startswith("Warning")]
    assert lines[0].startswith(f"used      tzdata {version()}")
    assert [line.split("  ")[0] for line in lines[1:]] == ["not used"] * len(lines[1:])
    assert "PostgreSQL's own" in lines[-1]


def test_a_host_that_lacks_a_zone_is_noticed(tmp_path):
    (tmp_path / "America").mkdir()
    (tmp_path / "America" / "Los_Angeles").touch()

    assert host_lacks("US/Pacific", rules=tmp_path)
    assert host_lacks("America", rules=tmp_path)
    assert not host_lacks("America/Los_Angeles", rules=tmp_path)
    assert not host_lacks("US/Pacific", rules=tmp_path / "none at all")


def test_a_release_is_dated():
    assert released_on("2026.6") == date(2026, 10, 28)
