"""Start, expiry and pauses of a schedule are shown and read in the zone of its crontab, else in the service's."""

from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask

from schedules.models import Policy
from tests.admin.saving import as_sent, errors, save

SCHEDULES = "/admin/django_celery_beat/periodictask/"
CLOCKED = "/admin/django_celery_beat/clockedschedule/"
JOB = "reminders.deliver"
TWICE = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-11-01T05:30:00Z"]
"""Hours that clocks in Berlin, or in New York, show twice."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture(params=["America/New_York", "Europe/Berlin"])
def service_zone(request, settings) -> str:
    settings.TIME_ZONE = request.param
    return str(request.param)


def crontab_in(zone: str) -> CrontabSchedule:
    return CrontabSchedule.objects.create(minute="0", hour="9", timezone=zone)


@pytest.fixture
def nightly(db) -> PeriodicTask:
    return PeriodicTask.objects.create(
        name="nightly", task=JOB, crontab=crontab_in("Europe/Berlin"), start_time=at("2026-10-25T01:30:00.25Z"),
        expires=at("2126-12-03T08:00:00Z"),
    )  # fmt: skip


def schedule_page(schedule: PeriodicTask) -> str:
    return f"{SCHEDULES}{schedule.pk}/change/"


def moments_of(schedule: PeriodicTask) -> dict[str, str]:
    sent = PeriodicTask.objects.values("start_time", "expires", "policy__paused_until", "policy__skip_at")
    return {name: moment and f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}" for name, moment in sent.get(pk=schedule.pk).items()}


def test_start_and_expiry_of_a_schedule_are_in_the_zone_of_its_crontab(admin, service_zone, nightly):
    sent = as_sent(admin.get(schedule_page(nightly)))
    shown = [f"{sent[f'{name}_{part}']}" for name in ("start_time", "expires") for part in (0, 1)]

    assert shown == ["2026-10-25", "02:30:00", "2126-12-03", "09:00:00"]
    page = admin.get(schedule_page(nightly)).text
    assert page.count('<output class="zone">Europe/Berlin</output>') == 6  # one of each is the template of the inline
    assert page.count(f'data-default-zone="{service_zone}"') == 6


@pytest.mark.parametrize("moment", TWICE)
def test_a_schedule_saved_as_it_stands_keeps_its_moments(admin, service_zone, nightly, moment):
    PeriodicTask.objects.filter(pk=nightly.pk).update(start_time=at(moment), expires=at(moment))
    Policy.objects.create(schedule=nightly, paused_until=at(moment), skip_at=at(moment))
    before = PeriodicTask.objects.values().get(pk=nightly.pk), moments_of(nightly)

    assert save(admin, schedule_page(nightly)).status_code == 302
    assert (PeriodicTask.objects.values().get(pk=nightly.pk), moments_of(nightly)) == before

    assert save(admin, schedule_page(nightly), description="new").status_code == 302
    assert moments_of(nightly) == before[1]


@pytest.mark.parametrize(
    ("zone", "hour"), [("Europe/Berlin", 8), ("Asia/Tokyo", 0), ("America/Los_Angeles", 17), (None, 14)]
)
def test_what_is_typed_in_a_schedule_is_meant_in_the_zone_of_the_crontab_beside_it(
    admin, settings, nightly, zone, hour
):
    settings.TIME_ZONE = "America/New_York"
    kind = {"crontab": crontab_in(zone).pk} if zone else {"crontab": None, "interval": 1}
    IntervalSchedule.objects.get_or_create(pk=1, defaults={"every": 1, "period": "hours"})
    names = ["start_time", "expires", "policy-0-paused_until", "policy-0-skip_at"]
    typed = {f"{name}_0": "2126-12-03" for name in names} | {f"{name}_1": "09:00" for name in names}

    assert save(admin, schedule_page(nightly), **kind, **typed).status_code == 302

    assert set(moments_of(nightly).values()) == {f"2126-12-03T{hour:02}:00:00.000000Z"}


def test_another_zone_alone_keeps_date_and_time_of_a_schedule_as_they_stand_there(admin, nightly):
    Policy.objects.create(schedule=nightly, paused_until=at("2126-12-03T08:00:00Z"))

    assert save(admin, schedule_page(nightly), crontab=crontab_in("Asia/Tokyo").pk).status_code == 302

    assert moments_of(nightly) == {
        "start_time": "2026-10-24T17:30:00.000000Z", "expires": "2126-12-03T00:00:00.000000Z",
        "policy__paused_until": "2126-12-03T00:00:00.000000Z", "policy__skip_at": None,
    }  # fmt: skip


def test_a_new_schedule_is_read_in_the_zone_of_its_crontab(admin, settings):
    settings.TIME_ZONE = "America/New_York"
    typed = {"start_time_0": "2126-12-03", "start_time_1": "09:00"}
    policy = {"policy-0-paused_until_0": "2126-12-03", "policy-0-paused_until_1": "09:00"}

    response = save(
        admin, f"{SCHEDULES}add/", name="mine", regtask=JOB, crontab=crontab_in("Asia/Tokyo").pk, **typed, **policy
    )

    assert response.status_code == 302
    made = moments_of(PeriodicTask.objects.get(name="mine"))
    assert made["start_time"] == made["policy__paused_until"] == "2126-12-03T00:00:00.000000Z"


def test_a_time_that_no_clock_shows_is_refused_in_a_schedule(admin, nightly):
    gap = {"start_time_0": "2026-03-29", "start_time_1": "02:30"}

    assert "never show 02:30" in str(errors(save(admin, schedule_page(nightly), **gap))["start_time"])


def test_the_preview_reads_the_start_in_the_zone_of_the_crontab(admin, settings, nightly):
    settings.TIME_ZONE = "America/New_York"
    query = {"crontab": nightly.crontab_id, "start_time_0": "2126-12-03", "start_time_1": "09:00:01"}

    told = admin.get(f"{SCHEDULES}preview/", query).json()

    assert told["moments"][0] == "Wed 2126-12-04 09:00:00 CET"


@pytest.mark.parametrize("moment", TWICE)
def test_a_clocked_schedule_and_a_person_are_saved_as_they_stand(admin, alice, service_zone, moment):
    clocked = ClockedSchedule.objects.create(clocked_time=at(moment))
    User.objects.filter(pk=alice.pk).update(last_login=at(moment), date_joined=at(moment))
    before = User.objects.values().get(pk=alice.pk)

    assert save(admin, f"{CLOCKED}{clocked.pk}/change/").status_code == 302
    assert save(admin, f"/admin/auth/user/{alice.pk}/change/").status_code == 302

    assert ClockedSchedule.objects.get(pk=clocked.pk).clocked_time == at(moment)
    assert User.objects.values().get(pk=alice.pk) == before


def test_the_list_of_schedules_says_when_in_the_zone_of_each(admin, settings, nightly):
    settings.TIME_ZONE = "America/New_York"
    PeriodicTask.objects.filter(pk=nightly.pk).update(start_time=None, last_run_at=at("2020-12-03T08:00:00Z"))

    page = admin.get(f"{SCHEDULES}?q=nightly").text

    assert "Thu 3 Dec 2020, 09:00 Berlin" in page
    assert page.count(", 09:00 Berlin") == 2
