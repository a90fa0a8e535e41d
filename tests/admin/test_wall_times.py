"""A date and a time in a form of the admin are shown and read in the zone that stands beside them."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.validators import timezone_names
from taskapp.forms import TaskForm
from taskapp.models import Task
from taskapp.services import update_task
from tests.admin.saving import as_sent, save, sent_by
from tests.factories import make_reminder, make_task, make_user

LIST = "/admin/taskapp/task/"
EDITED = {"version", "updated_at"}
SERVICE_ZONES = ["UTC", "America/New_York", "Europe/Berlin"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def page(task: Task) -> str:
    return f"{LIST}{task.pk}/change/"


def typed(day: str, time: str = "", zone: str = "UTC", **fields: Any) -> dict[str, Any]:
    return {"due_at_0": day, "due_at_1": time, "timezone": zone, **fields}


def saved(task: Task, **changes: Any) -> TaskForm:
    """The form of a stored task after it was sent with some changes."""
    stored = Task.objects.get(pk=task.pk)
    form = TaskForm({**sent_by(TaskForm(instance=stored)), **changes}, instance=stored)
    if form.is_valid():
        update_task(stored, **form.changes())
    return form


@pytest.fixture(params=SERVICE_ZONES)
def service_zone(request, settings) -> str:
    settings.TIME_ZONE = request.param
    return str(request.param)


# What is typed

TYPED = [
    (typed("2026-12-03", "09:00", "Europe/Berlin"), "2026-12-03T08:00:00Z", "2026-12-03T09:00:00"),
    (typed("2026-12-03", "23:30:15", "Pacific/Kiritimati"), "2026-12-03T09:30:15Z", "2026-12-03T23:30:15"),
    (typed("2026-12-03", "00:00", "America/Los_Angeles"), "2026-12-03T08:00:00Z", "2026-12-03T00:00:00"),
    (typed("2026-12-03", "", "America/Los_Angeles", all_day="on"), "2026-12-04T08:00:00Z", "2026-12-03"),
    (typed("2026-12-03", "", "Pacific/Apia", all_day="on"), "2026-12-03T11:00:00Z", "2026-12-03"),
    (typed("2026-12-03", "00:00", "Asia/Tokyo", all_day="on"), "2026-12-03T15:00:00Z", "2026-12-03"),
    (typed("2011-12-30", "", "Pacific/Apia", all_day="on"), "2011-12-30T10:00:00Z", "2011-12-30"),
    # Clocks are set back, and show it twice: the first time.
    (typed("2026-10-25", "02:30", "Europe/Berlin"), "2026-10-25T00:30:00Z", "2026-10-25T02:30:00"),
    (typed("2026-10-25", "", "Europe/Berlin", all_day="on"), "2026-10-25T23:00:00Z", "2026-10-25"),
    (typed(""), None, ""),
    (typed("", all_day="on"), None, ""),
]


@pytest.mark.parametrize(("fields", "due_at", "local"), TYPED)
def test_a_new_task_is_due_when_the_clocks_of_its_zone_show_it(admin, alice, settings, fields, due_at, local):
    settings.TIME_ZONE = "America/New_York"

    response = save(admin, f"{LIST}add/", owner=alice.pk, title="x", **fields)

    assert response.status_code == 302
    task = Task.objects.get()
    assert (task.due_at, task.due_local, task.timezone) == (due_at and at(due_at), local, fields["timezone"])


@pytest.mark.parametrize(("fields", "due_at", "local"), TYPED)
def test_a_task_that_is_edited_is_due_likewise(alice, fields, due_at, local):
    task = make_task(alice, timezone="Asia/Kathmandu")

    assert saved(task, **fields).is_valid()

    task.refresh_from_db()
    assert (task.due_at, task.due_local, task.version) == (due_at and at(due_at), local, 2)


@pytest.mark.parametrize("all_day", [False, True])
def test_another_zone_alone_keeps_date_and_time_as_they_stand_there(admin, alice, all_day):
    task = make_task(alice, due_at=at("2026-12-03T08:00:00Z"), timezone="Europe/Berlin")
    save(admin, page(task), all_day="on" if all_day else None)
    before = Task.objects.values().get()

    save(admin, page(task), timezone="Asia/Tokyo")
    away = Task.objects.get()
    save(admin, page(task), timezone="Europe/Berlin")
    back = Task.objects.values().get()

    assert away.due_at == (at("2026-12-03T15:00:00Z") if all_day else at("2026-12-03T00:00:00Z"))
    assert away.due_local == before["due_local"]
    assert {name for name in back if back[name] != before[name]} == EDITED


REFUSED = [
    (typed("2026-03-29", "02:30", "Europe/Berlin"), "never show 02:30"),
    (typed("2011-12-30", "09:00", "Pacific/Apia"), "never show 09:00"),
    (typed("2026-12-03"), "Give a time of day, too."),
    (typed("", "09:00"), "Give a date, too."),
    (typed("2026-02-30", "09:00"), "Enter a valid date."),
    (typed("2026-12-03", "25:00"), "Enter a valid time."),
    (typed("1899-12-31", all_day="on"), "between the years 1900 and 9000"),
    (typed("8999-12-31", all_day="on"), "between the years 1900 and 9000"),
    (typed("9999-12-31", "23:00", "America/Los_Angeles"), "between the years 1900 and 9000"),
    (typed("0001-01-01", "00:00", "Asia/Tokyo"), "between the years 1900 and 9000"),
]


@pytest.mark.parametrize(("fields", "text"), REFUSED)
def test_what_cannot_be_is_refused_at_its_field(alice, fields, text):
    task = make_task(alice)

    for form in (saved(task, **fields), TaskForm({**sent_by(TaskForm()), "owner": alice.pk, "title": "x", **fields})):
        assert text in str(form.errors["due_at"])
        assert list(form.errors) == ["due_at"]
    assert Task.objects.get().version == 1


# What is shown, and saved as it stands

ZONES = st.sampled_from(["Pacific/Apia", "America/Havana", "Africa/Cairo", "Europe/Berlin", "Australia/Lord_Howe"])
FIRST, LAST = datetime(1901, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 (as st.datetimes wants them)
ODD_INSTANTS = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z"]
INSTANTS = st.sampled_from([at(text) for text in ODD_INSTANTS]) | st.datetimes(
    FIRST, LAST, timezones=st.just(UTC)
)  # fmt: skip


@given(
    due_at=INSTANTS,
    zone=ZONES | st.sampled_from(sorted(timezone_names())),
    service_zone=st.sampled_from(SERVICE_ZONES),
    all_day=st.booleans(),
)
@example(due_at=at("2026-10-25T01:30:00.5Z"), zone="Europe/Berlin", service_zone="UTC", all_day=False)
@example(due_at=at("2026-10-25T01:30:00Z"), zone="UTC", service_zone="Europe/Berlin", all_day=False)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_saving_without_a_change_changes_nothing(alice, due_at, zone, service_zone, all_day):
    task = make_task(alice, due_at=due_at, timezone=zone, all_day=all_day)
    before = Task.objects.values().get(pk=task.pk)

    with timezone.override(service_zone):
        unchanged = saved(task)
        assert (unchanged.errors, unchanged.changes()) == ({}, {})
        assert Task.objects.values().get(pk=task.pk) == before
        saved(task, title="new")

    after = Task.objects.values().get(pk=task.pk)
    assert {name for name in after if after[name] != before[name]} == {"title", *EDITED}


@pytest.mark.parametrize("due_at", ODD_INSTANTS)
def test_a_page_saved_as_it_stands_changes_nothing_in_an_hour_that_comes_twice(admin, alice, settings, due_at):
    settings.TIME_ZONE = "Europe/Berlin"
    task = make_task(alice, due_at=at(due_at), timezone="America/Havana")
    before = Task.objects.values().get()

    assert save(admin, page(task)).status_code == 302
    assert Task.objects.values().get() == before


def test_a_wall_time_that_new_rules_leave_out_stays_as_it_was_meant(admin, alice):
    task = make_task(alice, due_at=at("2026-03-29T01:30:00Z"), timezone="Europe/Berlin")
    Task.objects.update(due_local="2026-03-29T02:30:00", due_at=task.due_at, timezone=task.timezone)
    before = Task.objects.values().get()

    sent = as_sent(admin.get(page(task)))
    save(admin, page(task))

    assert f"{sent['due_at_1']}" == "02:30:00"
    assert Task.objects.values().get() == before


def test_a_task_is_shown_in_its_zone(admin, alice, service_zone):
    timed = make_task(alice, due_at=at("2026-12-03T08:00:00Z"), timezone="Europe/Berlin")
    whole = make_task(alice, due_at=at("2026-12-04T08:00:00Z"), timezone="America/Los_Angeles", all_day=True)

    shown = {task: as_sent(admin.get(page(task))) for task in (timed, whole)}

    assert [str(shown[timed][f"due_at_{part}"]) for part in (0, 1)] == ["2026-12-03", "09:00:00"]
    assert shown[whole]["due_at_0"] == date(2026, 12, 3)
    assert "due_at_1" not in shown[whole]
    assert '<output class="zone">Europe/Berlin</output>' in admin.get(page(timed)).text


@pytest.mark.parametrize(
    ("due_at", "zone", "all_day", "words"),
    [
        ("2126-12-03T08:00:00Z", "Europe/Berlin", False, "Tue 3 Dec 2126, 09:00 Berlin"),
        ("2126-12-04T08:00:00Z", "America/Los_Angeles", True, "Tue 3 Dec 2126, all day, Los Angeles"),
        ("2126-12-03T08:00:00Z", "UTC", False, "Tue 3 Dec 2126, 08:00 UTC"),
        ("2026-10-25T00:30:00Z", "Europe/Berlin", False, ", 02:30 CEST Berlin"),
        ("2026-10-25T01:30:00Z", "Europe/Berlin", False, ", 02:30 CET Berlin"),
        ("2126-12-03T08:00:00Z", "Nowhere/Atall", False, "Tue 3 Dec 2126, 08:00 Atall"),
    ],
)
def test_the_list_says_when_in_the_zone_of_each(admin, alice, settings, due_at, zone, all_day, words):
    settings.TIME_ZONE = "America/New_York"
    Task.objects.bulk_create([Task(owner=alice, title="x", due_at=at(due_at), timezone=zone, all_day=all_day)])

    assert f"{words}</span>" in admin.get(LIST).text


def test_this_year_is_not_named(admin, alice):
    now = datetime.now(UTC)
    make_task(alice, due_at=now.replace(month=12, day=3, hour=8, minute=0, second=0), timezone="Europe/Berlin")

    assert " 3 Dec, 09:00 Berlin</span>" in admin.get(LIST).text


def test_who_may_only_look_sees_the_zone_too(alice, client, settings):
    settings.TIME_ZONE = "America/New_York"
    task = make_task(alice, due_at=at("2126-12-03T08:00:00Z"), timezone="Europe/Berlin")
    reader = make_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_task"))
    client.force_login(reader)

    assert "Tue 3 Dec 2126, 09:00 Berlin</span>" in client.get(page(task)).text


def test_reminders_say_when_in_the_zone_of_their_task(admin, alice, settings):
    settings.TIME_ZONE = "America/New_York"
    make_reminder(make_task(alice, due_at=at("2126-12-03T08:00:00Z"), timezone="Europe/Berlin"))

    shown = admin.get("/admin/reminders/reminder/").text

    assert "Mon 2 Dec 2126, 09:00 Berlin" in shown
    assert "Tue 3 Dec 2126, 09:00 Berlin" in shown
