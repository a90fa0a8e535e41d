"""Schedules in the admin: what the pages show, what the forms refuse, what the actions do."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from django_celery_results.models import TaskResult

from schedules.models import Policy, ScheduleRun, ScheduleState
from schedules.outlook import outlooks
from schedules.services import pause
from tests.factories import make_user

BEAT = "/admin/django_celery_beat/"
SCHEDULES, CRONTABS, INTERVALS = (f"{BEAT}{name}/" for name in ("periodictask", "crontabschedule", "intervalschedule"))
RUNS = "/admin/schedules/schedulerun/"
JOB = "reminders.deliver"
MOMENT = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def interval(db) -> IntervalSchedule:
    return IntervalSchedule.objects.create(every=5, period="hours")


@pytest.fixture
def nightly(db) -> PeriodicTask:
    crontab = CrontabSchedule.objects.create(minute="30", hour="3", timezone="UTC")
    return PeriodicTask.objects.create(name="nightly", task=JOB, crontab=crontab)


@pytest.fixture
def once(db) -> PeriodicTask:
    """It has run."""
    clocked = ClockedSchedule.objects.create(clocked_time=MOMENT)
    start = MOMENT - timedelta(hours=1, microseconds=5)  # a form shows seconds
    once = PeriodicTask.objects.create(
        name="once", task=JOB, clocked=clocked, one_off=True, enabled=False, start_time=start
    )
    timing = outlooks([once.pk])[once.pk].definition.timing
    ScheduleState.objects.create(schedule=once, timing=timing, has_fired=True, ran_at=MOMENT)
    return once


def page(row) -> str:
    return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"


def act(admin, action: str, *rows):
    return admin.post(SCHEDULES, {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True)


def as_sent(response) -> dict:
    """What a browser sends that saves the page as it was opened."""
    sent = {}
    context = response.context
    for form in [
        context["adminform"].form,
        *(each for group in context["inline_admin_formsets"] for each in all_of(group)),
    ]:
        for field in form:
            value = field.value()
            widget = field.field.widget
            if hasattr(widget, "widgets"):
                for index, part in enumerate(widget.decompress(value)):
                    sent[f"{field.html_name}_{index}"] = part
            else:
                sent[field.html_name] = value
    return {name: value for name, value in sent.items() if value is not None and value is not False}


def all_of(group):
    return [group.formset.management_form, *group.formset.forms]


def save(admin, path: str, **changes):
    """Save the page with some changes."""
    sent = {**as_sent(admin.get(path)), **changes}
    return admin.post(path, {name: value for name, value in sent.items() if value is not None})


def errors(response) -> dict[str, list[str]]:
    assert response.status_code == 200
    return response.context["adminform"].form.errors


# What is shown


def test_schedules_show_their_next_and_last_run(admin):
    last = timezone.now() - timedelta(seconds=20)
    PeriodicTask.objects.filter(name="due-soon-reminders").update(last_run_at=last, total_run_count=7)

    (row,) = admin.get(f"{SCHEDULES}?q=due-soon").context["cl"].result_list
    text = admin.get(SCHEDULES).text

    assert row.last_run_at == last
    assert "Next run" in text
    assert "field-next_run" in text
    assert "every minute" in text


def test_one_that_cannot_run_is_called_broken_with_its_reason(admin, nightly):
    PeriodicTask.objects.filter(pk=nightly.pk).update(task="gone")

    assert "broken: No job is named &#x27;gone&#x27;." in admin.get(SCHEDULES).text
    assert "broken: No job is named &#x27;gone&#x27;." in admin.get(page(nightly)).text


def test_there_is_no_warning_of_another_scheduler(admin):
    assert "wrong_scheduler" not in admin.get(SCHEDULES).context


def test_a_page_shows_what_is_expected_and_what_was(admin, nightly):
    run = ScheduleRun.objects.create(
        schedule=nightly, scheduled_for=MOMENT, status="finished", started_at=MOMENT + timedelta(minutes=5),
        reason="one run for 3 ticks",
    )  # fmt: skip
    result = TaskResult.objects.create(task_id=str(run.job_id))
    for minute in range(1, 30):
        earlier = MOMENT - timedelta(minutes=minute)
        ScheduleRun.objects.create(schedule=nightly, scheduled_for=earlier, status="missed")

    response = admin.get(page(nightly))

    assert len(response.context["moments"]) == 5
    assert all("03:30:00 UTC" in moment for moment in response.context["moments"])
    assert len(response.context["rows"]) == 20
    assert "2026-03-01 09:00:00" in response.text
    assert "5 min" in response.text
    assert "one run for 3 ticks" in response.text
    assert f"/taskresult/{result.pk}/change/" in response.text
    assert admin.get(f"{RUNS}?schedule={nightly.pk}").context["cl"].result_count == 30
    assert f'href="{RUNS}?schedule={nightly.pk}"' in response.text


def test_a_page_opens_in_every_state_of_a_schedule(admin, nightly, once, interval):
    solar = SolarSchedule.objects.create(event="sunset", latitude=1, longitude=1)
    crontab = CrontabSchedule.objects.create(minute="99", hour="x y", timezone="UTC")
    made = [
        PeriodicTask.objects.create(name=name, task=JOB, **fields)
        for name, fields in {
            "interval": {"interval": interval}, "solar": {"solar": solar}, "broken": {"crontab": crontab},
            "args": {"interval": interval, "args": "nonsense"},
        }.items()
    ]  # fmt: skip
    (none,) = PeriodicTask.objects.bulk_create([PeriodicTask(name="none", task=JOB)])
    pause(nightly, until=timezone.now() + timedelta(days=1))

    assert admin.get(SCHEDULES).status_code == 200
    for schedule in [nightly, once, none, *made]:
        assert admin.get(page(schedule)).status_code == 200, schedule.name
    assert admin.get(CRONTABS).status_code == 200
    assert admin.get(page(crontab)).status_code == 200
    assert "It has run once, at 2026-03-01 09:00 UTC." in admin.get(page(once)).text


@pytest.mark.parametrize("zone", ["Mars/Phobos", "America", "../etc"])
def test_a_zone_that_nobody_knows_breaks_its_own_schedule_alone(admin, nightly, interval, zone):
    other = PeriodicTask.objects.create(name="other", task=JOB, interval=interval)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_celery_beat_crontabschedule SET timezone = %s", [zone])

    assert f"{zone} (unknown zone)" in admin.get(SCHEDULES).text
    assert "is not a zone" in admin.get(page(nightly)).context["outlook"].problem
    assert admin.get(CRONTABS).status_code == 200
    assert admin.get(page(nightly.crontab)).status_code == 200
    assert save(admin, page(other), description="edited").status_code == 302
    assert save(admin, page(nightly), enabled=None).status_code == 302
    assert save(admin, page(nightly.crontab), timezone="Europe/Berlin").status_code == 302

    assert PeriodicTask.objects.get(pk=other.pk).description == "edited"
    assert str(CrontabSchedule.objects.get(pk=nightly.crontab_id).timezone) == "Europe/Berlin"


def test_a_zone_that_nobody_knows_is_written_back_as_it_was(nightly):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_celery_beat_crontabschedule SET timezone = 'Mars/Phobos'")

    CrontabSchedule.objects.get(pk=nightly.crontab_id).save()

    assert list(CrontabSchedule.objects.filter(timezone__in=["UTC"])) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT timezone FROM django_celery_beat_crontabschedule")
        assert cursor.fetchone() == ("Mars/Phobos",)


def test_solar_is_not_offered(admin, nightly):
    assert "solar" not in admin.get(page(nightly)).context["adminform"].form.fields
    assert admin.get(f"{BEAT}solarschedule/").status_code == 404


# What is written


def test_a_schedule_is_made_with_its_policy(admin, interval):
    path = f"{SCHEDULES}add/"

    response = save(
        admin,
        path,
        name="mine",
        regtask=JOB,
        interval=interval.pk,
        args="[ ]",
        headers="",
        **{"policy-0-overlap": "skip"},
    )

    made = PeriodicTask.objects.get(name="mine")
    assert response.status_code == 302
    assert (made.task, made.interval, made.args, made.headers, made.enabled) == (JOB, interval, "[ ]", "{}", True)
    assert Policy.objects.get(schedule=made).overlap == "skip"


def test_an_edit_writes_nothing_but_what_was_changed(admin, nightly):
    start = timezone.now().replace(microsecond=123456)
    PeriodicTask.objects.filter(pk=nightly.pk).update(
        enabled=False, last_run_at=MOMENT, total_run_count=7, start_time=start
    )
    path = page(nightly)
    sent = as_sent(admin.get(path))
    PeriodicTask.objects.filter(pk=nightly.pk).update(total_run_count=8)  # beat, meanwhile
    before = PeriodicTask.objects.values().get(pk=nightly.pk)

    response = admin.post(path, {**sent, "description": "mine"})

    after = PeriodicTask.objects.values().get(pk=nightly.pk)
    assert response.status_code == 302
    assert after == {**before, "description": "mine", "date_changed": after["date_changed"]}
    assert not Policy.objects.exists()


def test_an_edit_of_the_policy_leaves_its_other_fields(admin, nightly):
    moment = MOMENT.replace(microsecond=123456)  # of an interval, say; the form shows seconds
    Policy.objects.create(schedule=nightly, runs_again=False, skip_at=moment)

    assert save(admin, page(nightly), **{"policy-0-overlap": "queue"}).status_code == 302

    policy = Policy.objects.get()
    assert (policy.overlap, policy.runs_again, policy.skip_at) == ("queue", False, moment)


def test_a_clocked_schedule_need_not_be_told_that_it_runs_once(admin, nightly):
    clocked = ClockedSchedule.objects.create(clocked_time=timezone.now() + timedelta(days=1))

    assert save(admin, page(nightly), crontab=None, clocked=clocked.pk).status_code == 302

    nightly.refresh_from_db()
    assert (nightly.crontab, nightly.clocked, nightly.one_off) == (None, clocked, True)


def test_a_solar_schedule_from_before_gets_a_crontab(admin, nightly):
    solar = SolarSchedule.objects.create(event="sunset", latitude=1, longitude=1)
    old = PeriodicTask.objects.create(name="old", task=JOB, solar=solar)

    assert save(admin, page(old), enabled=None).status_code == 302
    assert "Solar schedules are not supported" in str(errors(save(admin, page(old), enabled="on")))
    assert save(admin, page(old), enabled="on", crontab=nightly.crontab_id).status_code == 302

    old.refresh_from_db()
    assert (old.solar, old.crontab, old.enabled) == (None, nightly.crontab, True)


# What is refused


@pytest.mark.parametrize(
    ("sent", "field", "text"),
    [
        ({"name": ""}, "name", "required"),
        ({"name": "due-soon-reminders"}, "name", "Another schedule has this name."),
        ({"regtask": "", "task": ""}, "task", "Choose a job, or name one."),
        ({"regtask": "", "task": "gone"}, "task", "No job is named 'gone'."),
        ({"regtask": "", "task": "x" * 201}, "task", "at most 200"),
        ({"crontab": None}, "__all__", "It must have one of interval, crontab and clocked."),
        ({"interval": "other"}, "interval", "only one of"),
        ({"interval": "other"}, "crontab", "only one of"),
        ({"args": "{}"}, "args", "must be a JSON list."),
        ({"args": "nonsense"}, "args", "are not JSON"),
        ({"args": "[" * 9000}, "args", "nested too deeply"),
        ({"args": "[1]"}, "args", "The arguments do not fit the job:"),
        ({"kwargs": "[]"}, "kwargs", "must be a JSON object."),
        ({"headers": "[]"}, "headers", "must be a JSON object."),
        ({"headers": '{"id": 1}'}, "headers", "The header 'id' is Celery's own."),
        ({"priority": "256"}, "priority", "less than or equal to 255"),
        ({"expire_seconds": "5", "expires_0": "2030-01-01", "expires_1": "00:00"}, "expire_seconds", "not both"),
        ({"start_time_0": "0001-01-01", "start_time_1": "00:00"}, "start_time", "after 1970"),
        ({"crontab": "bad minute"}, "crontab", "minute: 99 is not between 0 and 59."),
        ({"crontab": "no day"}, "crontab", "day_of_month: 31 never comes in month_of_year 2."),
    ],
)
def test_a_value_that_cannot_be_is_refused_at_its_field(admin, nightly, interval, sent, field, text):
    rows = {
        "other": interval.pk,
        "bad minute": CrontabSchedule.objects.create(minute="99", timezone="UTC").pk,
        "no day": CrontabSchedule.objects.create(day_of_month="31", month_of_year="2", timezone="UTC").pk,
    }
    sent = {name: rows.get(value, value) for name, value in sent.items()}
    before = list(PeriodicTask.objects.order_by("pk").values())

    for path, more in [(page(nightly), {}), (f"{SCHEDULES}add/", {"name": "new", "crontab": nightly.crontab_id})]:
        response = save(admin, path, **{"regtask": JOB, "task": JOB, **more, **sent})
        assert text in " ".join(errors(response)[field]), path

    assert list(PeriodicTask.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"policy-0-window": "99999 00:00:00"}, "at most 3660 days"),
        ({"policy-0-window": "-1 00:00:00"}, "greater than or equal"),
        ({"policy-0-overlap": "x"}, "not one of the available choices"),
        ({"policy-0-paused_until_0": "0001-01-01", "policy-0-paused_until_1": "00:00"}, "after 1970"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(admin, nightly, sent, text):
    response = save(admin, page(nightly), **sent)

    assert response.status_code == 200
    assert text in str(response.context["errors"])
    assert not Policy.objects.exists()


def test_a_broken_schedule_can_be_disabled_and_not_enabled_again(admin, nightly):
    PeriodicTask.objects.filter(pk=nightly.pk).update(task="gone")

    assert save(admin, page(nightly), enabled=None).status_code == 302
    assert "No job is named" in str(errors(save(admin, page(nightly), enabled="on"))["task"])


def test_a_schedule_that_has_run_once_is_not_enabled_again_from_an_old_page(admin, once):
    PeriodicTask.objects.filter(pk=once.pk).update(enabled=True)
    ScheduleState.objects.update(has_fired=False)
    sent = as_sent(admin.get(page(once)))  # opened before it ran
    PeriodicTask.objects.filter(pk=once.pk).update(enabled=False)
    ScheduleState.objects.update(has_fired=True)

    said = errors(admin.post(page(once), {**sent, "description": "x"}))

    assert sent["enabled"] is True
    assert said == {"enabled": ["It has run once, at 2026-03-01 09:00 UTC. Give it a new time, or use “run”."]}
    assert save(admin, page(once), description="x").status_code == 302
    later = ClockedSchedule.objects.create(clocked_time=timezone.now() + timedelta(days=1))
    assert save(admin, page(once), enabled="on", clocked=later.pk).status_code == 302
    assert PeriodicTask.objects.get(pk=once.pk).enabled


@pytest.mark.parametrize(
    ("sent", "field", "text"),
    [
        ({"minute": "99"}, "minute", "99 is not between 0 and 59."),
        ({"hour": "x"}, "hour", "'x' cannot be read"),
        ({"day_of_month": "31", "month_of_year": "2"}, "day_of_month", "never comes"),
        ({"timezone": "Mars/Phobos"}, "timezone", "valid choice"),
        ({"timezone": ""}, "timezone", "required"),
        ({"timezone": "localtime"}, "timezone", "is not one of the available choices"),
    ],
)
def test_a_crontab_that_cannot_be_is_refused(admin, nightly, sent, field, text):
    for path in (page(nightly.crontab), f"{CRONTABS}add/"):
        assert text in " ".join(errors(save(admin, path, **sent))[field]), path


@pytest.mark.parametrize(
    ("sent", "field", "text"),
    [
        ({"every": "0"}, "every", "An interval of 0 hours is none."),
        ({"every": "2147483647", "period": "days"}, "every", "cannot be reckoned with"),
        (
            {"every": "99999999999", "period": "microseconds"},
            "every",
            "An interval of 99999999999 microseconds is too long.",
        ),
        ({"period": "weeks"}, "period", "valid choice"),
    ],
)
def test_an_interval_that_cannot_be_is_refused(admin, interval, sent, field, text):
    for path in (page(interval), f"{INTERVALS}add/"):
        assert text in " ".join(errors(save(admin, path, **{"every": "5", "period": "hours", **sent}))[field]), path


# Actions


def test_a_run_is_asked_for_and_not_published_from_the_page(admin, staff, settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"  # nobody there
    schedule = PeriodicTask.objects.get(name="due-soon-reminders")

    response = act(admin, "run_now", schedule)
    act(admin, "run_tasks", schedule)  # the original's, which is gone

    assert "1 job(s) will be published within a second." in response.text
    assert ScheduleRun.objects.get().requested_by == staff


def test_enabling_and_disabling_change_nothing_else(admin, nightly, once):
    PeriodicTask.objects.filter(pk=nightly.pk).update(last_run_at=MOMENT, total_run_count=7)
    before = PeriodicTask.objects.values().get(pk=nightly.pk)

    assert "1 disabled." in act(admin, "disable_tasks", nightly, once).text
    disabled = PeriodicTask.objects.values().get(pk=nightly.pk)
    assert disabled == {**before, "enabled": False, "date_changed": disabled["date_changed"]}

    text = act(admin, "enable_tasks", nightly, once).text
    assert "1 enabled." in text
    assert "“once”: It has run once" in text
    assert PeriodicTask.objects.get(pk=nightly.pk).enabled
    assert not PeriodicTask.objects.get(pk=once.pk).enabled


def test_the_next_run_is_left_out(admin, nightly, once):
    expected = outlooks([nightly.pk])[nightly.pk].next_run_at

    text = act(admin, "skip_next", nightly, once).text

    assert "is left out." in text
    assert "“once” has no next run." in text
    assert Policy.objects.get(schedule=nightly).skip_at == expected


def test_schedules_are_paused_for_an_hour_and_resumed(admin, nightly, interval):
    Policy.objects.create(schedule=nightly, overlap="skip")
    other = PeriodicTask.objects.create(name="other", task=JOB, interval=interval)

    assert "2 paused until" in act(admin, "pause_for_an_hour", nightly, other).text
    for policy in Policy.objects.all():
        assert timedelta(minutes=59) < policy.paused_until - timezone.now() <= timedelta(hours=1)
    assert Policy.objects.get(schedule=nightly).overlap == "skip"

    assert "2 resumed." in act(admin, "resume", nightly, other).text
    assert not Policy.objects.exclude(paused_until=None).exists()


def test_who_may_only_look_has_no_actions(client, nightly):
    viewer = make_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)

    for path in (SCHEDULES, page(nightly), RUNS):
        assert client.get(path).status_code == 200
    for action in ("disable_tasks", "run_now", "skip_next", "pause_for_an_hour"):
        act(client, action, nightly)

    assert client.get(f"{SCHEDULES}preview/").status_code == 403
    assert PeriodicTask.objects.get(pk=nightly.pk).enabled
    assert not ScheduleRun.objects.exists()
    assert not Policy.objects.exists()


# Preview


def test_a_preview_tells_the_next_moments_of_what_stands_in_the_form(admin, nightly):
    sent = {"crontab": nightly.crontab_id, "start_time_0": "2030-01-01", "start_time_1": "04:00:00"}

    told = admin.get(f"{SCHEDULES}preview/", sent).json()

    assert told["schedule"] == "30 3 * * * (m/h/dM/MY/d) UTC"
    assert told["moments"][:2] == ["Wed 2030-01-02 03:30:00 UTC", "Thu 2030-01-03 03:30:00 UTC"]
    assert len(told["moments"]) == 5


def test_a_preview_of_a_crontabs_own_form(admin):
    fields = {"minute": "0", "hour": "3", "day_of_month": "1", "month_of_year": "*", "day_of_week": "*"}

    assert len(admin.get(f"{SCHEDULES}preview/", {**fields, "timezone": "UTC"}).json()["moments"]) == 5
    assert admin.get(f"{SCHEDULES}preview/", {**fields, "timezone": "UTC", "minute": "99"}).json() == {
        "problem": "minute: 99 is not between 0 and 59."
    }


@pytest.mark.parametrize(
    "query", ["", "crontab=x", "crontab=0", "start_time_0=x", "interval=1&crontab=1", "minute=", "minute=*&hour=%FF"]
)
def test_a_preview_of_nothing_sensible_says_why(admin, query):
    assert list(admin.get(f"{SCHEDULES}preview/?{query}").json()) == ["problem"]


def test_the_pages_load_the_preview(admin, nightly):
    for path in (page(nightly), f"{SCHEDULES}add/", page(nightly.crontab), f"{CRONTABS}add/"):
        text = admin.get(path).text
        assert "schedules/preview.js" in text
        assert f'data-url="{SCHEDULES}preview/"' in text


# Runs


def test_runs_are_found_by_their_schedule_and_their_job(admin, nightly):
    run = ScheduleRun.objects.create(schedule=nightly, scheduled_for=MOMENT, status="missed")
    other = PeriodicTask.objects.get(name="due-soon-reminders")
    ScheduleRun.objects.create(schedule=other, scheduled_for=MOMENT, status="skipped")

    def found(query: str) -> list[ScheduleRun]:
        return list(admin.get(f"{RUNS}?{query}").context["cl"].result_list)

    assert len(found("")) == 2
    for query in ("q=nightly", f"q={run.job_id}", "status__exact=missed", f"schedule={nightly.pk}"):
        assert found(query) == [run], query
    assert found("schedule=x") == found("schedule=0") == found("q=nobody") == []


def test_a_run_is_read_and_not_changed(admin, nightly):
    run = ScheduleRun.objects.create(schedule=nightly, scheduled_for=MOMENT, status="missed")
    result = TaskResult.objects.create(task_id=str(run.job_id))

    text = admin.get(page(run)).text

    assert page(nightly) in text
    assert f"/taskresult/{result.pk}/change/" in text
    assert admin.post(page(run), {"status": "finished"}).status_code == 403
    assert admin.get(f"{RUNS}add/").status_code == 403
    assert admin.post(page(run).replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_a_schedule_is_deleted_with_its_runs(admin, nightly):
    ScheduleRun.objects.create(schedule=nightly, scheduled_for=MOMENT, status="missed")

    admin.post(page(nightly).replace("change", "delete"), {"post": "yes"})

    assert not PeriodicTask.objects.filter(pk=nightly.pk).exists()
    assert not ScheduleRun.objects.exists()
