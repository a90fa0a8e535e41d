"""Who comes back is told what they were not told: an account is activated, mail switched on, an address given.

And each reason for which a delivery is suppressed, row by row as in docs/lifecycle.md: what brings it back. Whatever
does, the delivery rests until then: it is not queued and suppressed in a circle.
"""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from accounts.models import Preference
from accounts.services import update_profile
from accounts.unsubscribe import unsubscribe_url
from attachments.models import Attachment
from attachments.services import rescan_attachment
from reminders import returning
from reminders.delivering import deliver_batch, turn
from reminders.dispatching import dispatch
from reminders.last_check import lease, renew, suppress
from reminders.models import Delivery, PersonChange, Reminder, TaskChange
from reminders.planning import plan
from reminders.returning import fan_out_people
from reminders.services import cancel_reminders, retry_deliveries
from reminders.sweep import send_due_soon
from reminders.telling import tell
from taskapp import services
from taskapp.models import Task
from tests.at_once import another_connection
from tests.factories import PASSWORD, in_hours, make_delivery, make_task, make_user, upload_file
from work import failpoints
from work.claims import Holder, claim
from work.step import clock

pytestmark = pytest.mark.django_db

DAYS = 24


def set_account(user: User, **fields: object) -> None:
    User.objects.filter(pk=user.pk).update(**fields)


Switch = Callable[[User], None]

AWAY_AND_BACK: dict[str, tuple[Switch, Switch]] = {
    "the account is inactive": (
        lambda user: set_account(user, is_active=False),
        lambda user: set_account(user, is_active=True),
    ),
    "unsubscribed": (
        lambda user: update_profile(user, email_enabled=False),
        lambda user: update_profile(user, email_enabled=True),
    ),
    "no address": (
        lambda user: set_account(user, email=""),
        lambda user: set_account(user, email="alice@example.org"),
    ),
}


@pytest.fixture(params=AWAY_AND_BACK)
def reason(request) -> str:
    return str(request.param)


@pytest.fixture
def infected(alice, settings, tmp_path) -> Attachment:
    settings.UPLOAD_DIR = tmp_path / "uploads"
    return infected_file(alice)


def infected_file(owner: User) -> Attachment:
    """A file as a scan leaves it that has found something."""
    attachment = upload_file(make_task(owner, title="Taxes", due_in_hours=None), name="invoice.doc")
    Attachment.objects.filter(pk=attachment.pk).update(state="infected", is_untold=True, reason="Eicar")
    return attachment


def sweep() -> None:
    """Until nothing is left to plan, which it must come to."""
    for _ in range(20):
        counts = plan()
        dispatch()
        tell()
        if not counts["changes"] and not PersonChange.objects.exists():
            return
    raise AssertionError("planning does not come to an end")


def deliver() -> None:
    """Sweeps and runs of a worker, until nothing is due. Waits are over at once, and then a minute passes."""
    for _ in range(20):
        sweep()
        Delivery.objects.filter(status="queued").update(not_before=timezone.now())
        is_over = not deliver_batch().get("claimed")
        Delivery.objects.update(handed_over_at=F("handed_over_at") - timedelta(minutes=1))
        if is_over:
            return
    raise AssertionError("deliveries are queued again and again")


def overdue_task(owner: User, *, days: float) -> Task:
    """It was saved in time, and its reminder is due."""
    task = make_task(owner, due_in_hours=-days * DAYS)
    TaskChange.objects.update(at=in_hours(-(days + 1) * DAYS))
    sweep()
    return task


def state() -> tuple[str, str]:
    delivery = Delivery.objects.get()
    return delivery.status, delivery.reason


@pytest.mark.parametrize("days_overdue", [-0.1, 0.1, 6.9])
def test_who_comes_back_is_told_of_what_is_due_or_has_been_overdue_for_less_than_a_week(
    alice, mail_server, reason, days_overdue
):
    go, come = AWAY_AND_BACK[reason]
    overdue_task(alice, days=days_overdue)
    go(alice)
    deliver()
    assert state() == ("suppressed", reason)

    come(alice)
    deliver()

    assert [mail["To"] for mail in mail_server.accepted] == ["alice@example.org"]
    assert state() == ("sent", "")


@pytest.mark.parametrize(
    ("zone", "written_by"), [("Europe/Berlin", "a person"), ("UTC", "SQL")], ids=["meant in Berlin", "written by SQL"]
)
def test_what_has_been_overdue_for_longer_ends_and_says_so(alice, mail_server, reason, zone, written_by):
    go, come = AWAY_AND_BACK[reason]
    task = overdue_task(alice, days=7.1)
    due_at = timezone.now().replace(second=0, microsecond=0) - timedelta(days=8)
    there = due_at.astimezone(ZoneInfo(zone))
    Task.objects.update(due_at=due_at, timezone=zone)
    Reminder.objects.update(due_at=due_at)
    if written_by == "a person":
        Task.objects.update(due_local=there.isoformat()[:19])
    go(alice)
    deliver()

    come(alice)
    deliver()
    services.update_task(task, status="in_progress")
    deliver()

    assert mail_server.accepted == []
    assert state() == ("suppressed", f"no longer announced: overdue since {there:%Y-%m-%d %H:%M} {zone}")
    steps = [entry["step"] for entry in Delivery.objects.get().history]
    assert steps.count("still suppressed") == 1


def test_what_is_no_longer_announced_is_sent_if_a_person_asks_for_it(alice, mail_server):
    overdue_task(alice, days=8)
    Delivery.objects.update(status="suppressed", reason="no longer announced: overdue since 2026-01-01 09:00 UTC")

    retry_deliveries(Delivery.objects.all(), by=alice)
    deliver()

    assert len(mail_server.accepted) == 1


def test_a_week_is_reckoned_from_when_they_came_back_not_from_when_that_is_found(alice, mail_server):
    overdue_task(alice, days=8)
    set_account(alice, is_active=False)
    deliver()

    set_account(alice, is_active=True)
    PersonChange.objects.update(at=in_hours(-2 * DAYS))  # so long the sweep was away
    deliver()

    assert len(mail_server.accepted) == 1


def test_while_one_reason_is_left_nothing_is_sent(alice, mail_server):
    overdue_task(alice, days=0)
    for go, _ in AWAY_AND_BACK.values():
        go(alice)
    deliver()

    for _, come in AWAY_AND_BACK.values():
        assert mail_server.accepted == []
        come(alice)
        deliver()

    assert len(mail_server.accepted) == 1


# Who writes it.


def admin_form(user: User, staff: User) -> None:
    client = Client()
    client.force_login(staff)
    fields = {
        "username": user.username, "email": user.email, "is_active": "on", "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00", "preference-TOTAL_FORMS": "0", "preference-INITIAL_FORMS": "0",
    }  # fmt: skip
    page = client.post(f"/admin/auth/user/{user.pk}/change/", fields)
    assert page.status_code == 302, page.content


def sql(statement: str) -> Callable[[User, User], None]:
    return lambda user, staff: connection.cursor().execute(statement, {"id": user.pk})


def saved(user: User, staff: User) -> None:
    user.refresh_from_db()
    user.is_active = True
    user.save()


ACTIVATED: dict[str, Callable[[User, User], object]] = {
    "update()": lambda user, staff: User.objects.filter(pk=user.pk).update(is_active=True),
    "bulk_update()": lambda user, staff: User.objects.bulk_update([User(pk=user.pk, is_active=True)], ["is_active"]),
    "save()": saved,
    "the admin": admin_form,
    "raw SQL": sql("UPDATE auth_user SET is_active = TRUE"),
    "an upsert": sql(
        "INSERT INTO auth_user SELECT * FROM auth_user WHERE id = %(id)s "
        "ON CONFLICT (id) DO UPDATE SET is_active = TRUE"
    ),
}

SWITCHED_ON: dict[str, Callable[[User, User], object]] = {
    "the API": lambda user, staff: signed_in(user).patch(
        "/api/v1/me/", {"email_enabled": True}, content_type="application/json"
    ),
    "the preferences page": lambda user, staff: signed_in(user).post("/accounts/preferences/", {"email_enabled": "on"}),
    "the link in a mail": lambda user, staff: Client().post(unsubscribe_url(user.pk), {"subscribe": "yes"}),
    "update()": lambda user, staff: Preference.objects.update(email_enabled=True),
    "raw SQL": sql("UPDATE accounts_preference SET email_enabled = TRUE"),
    "the row is deleted": lambda user, staff: Preference.objects.all().delete(),
    "the row is given away": sql(
        "UPDATE accounts_preference SET user_id = (SELECT id FROM auth_user WHERE username = 'staff')"
    ),
}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("write", ACTIVATED.values(), ids=ACTIVATED)
def test_an_activation_is_seen_whoever_makes_it(alice, staff, write):
    set_account(alice, is_active=False)

    write(alice, staff)

    assert list(PersonChange.objects.values_list("person_id", flat=True)) == [alice.pk]


@pytest.mark.parametrize("write", SWITCHED_ON.values(), ids=SWITCHED_ON)
def test_mail_that_is_switched_on_is_seen_whoever_does_it(alice, staff, write):
    update_profile(alice, email_enabled=False)

    write(alice, staff)

    assert list(PersonChange.objects.values_list("person_id", flat=True)) == [alice.pk]


def test_everybody_who_comes_back_by_one_statement_is_seen(alice, bob):
    User.objects.update(is_active=False)

    User.objects.update(is_active=True)

    assert set(PersonChange.objects.values_list("person_id", flat=True)) == {alice.pk, bob.pk}


NO_RETURN: dict[str, Callable[[User], object]] = {
    "a sign-in": lambda user: Client().login(username=user.username, password=PASSWORD),
    "another name": lambda user: update_profile(user, first_name="Alice"),
    "another password": lambda user: (user.set_password("another one"), user.save()),
    "another address": lambda user: set_account(user, email="alice@example.net"),
    "another language": lambda user: update_profile(user, language="en", timezone="Europe/Berlin"),
    "a first choice": lambda user: update_profile(user, email_enabled=True),
    "a deactivation": lambda user: set_account(user, is_active=False),
    "an unsubscription": lambda user: update_profile(user, email_enabled=False),
}


@pytest.mark.parametrize("write", NO_RETURN.values(), ids=NO_RETURN)
def test_who_does_not_come_back_queues_nothing(alice, write):
    make_delivery(make_task(alice), status="suppressed", reason="the account is inactive")
    TaskChange.objects.all().delete()

    write(alice)

    assert not PersonChange.objects.exists()
    assert not TaskChange.objects.exists()


def test_who_has_unsubscribed_and_saves_other_preferences_queues_nothing(alice):
    update_profile(alice, email_enabled=False)

    update_profile(alice, timezone="Europe/Berlin")
    Preference.objects.all().update(language="en")

    assert not PersonChange.objects.exists()


# The races.


class At:
    """What happens at a failpoint, once."""

    def __init__(self, point: str, act: Callable[[], object]) -> None:
        self.point, self.act, self.is_over = point, act, False

    def __call__(self, point: str, facts: dict[str, object]) -> None:
        if point == self.point and not self.is_over:
            self.is_over = True
            self.act()


def elsewhere(statement: str) -> None:
    """Committed by somebody else; and the sweep has already looked at all that follows from it."""
    with another_connection() as other:
        other.execute(statement)
        other.execute("DELETE FROM reminders_personchange")
        other.execute("DELETE FROM reminders_taskchange")
        other.execute("UPDATE attachments_attachment SET is_untold = FALSE")


COMMITTED = {
    "the account is inactive": "UPDATE auth_user SET is_active = TRUE",
    "unsubscribed": "UPDATE accounts_preference SET email_enabled = TRUE",
    "no address": "UPDATE auth_user SET email = 'alice@example.org'",
}

UNREACHABLE_BY = {
    "the account is inactive": "UPDATE auth_user SET is_active = FALSE",
    "unsubscribed": "UPDATE accounts_preference SET email_enabled = FALSE",
    "no address": "UPDATE auth_user SET email = ''",
}


def test_who_comes_back_between_the_second_check_and_its_write_is_told(committed_db, mail_server, monkeypatch, reason):
    alice = make_user("alice")
    make_task(alice)
    sweep()
    AWAY_AND_BACK[reason][0](alice)
    come = At("delivery suppressing", lambda: elsewhere(COMMITTED[reason]))
    monkeypatch.setattr(failpoints, "at_point", come)

    deliver_batch()
    rested = state()
    deliver()

    assert come.is_over
    assert rested == ("suppressed", reason)
    assert len(mail_server.accepted) == 1


@pytest.mark.parametrize("reason", [*COMMITTED, "the file is not quarantined any more"])
def test_the_owner_of_an_infected_file_who_comes_back_there_is_told(
    committed_db, mail_server, monkeypatch, settings, tmp_path, reason
):
    settings.UPLOAD_DIR = tmp_path / "uploads"
    alice = make_user("alice")
    infected_file(alice)
    sweep()
    if reason in COMMITTED:
        AWAY_AND_BACK[reason][0](alice)
        statement = COMMITTED[reason]
    else:
        Attachment.objects.update(state="scanning")
        statement = "UPDATE attachments_attachment SET state = 'infected'"
    monkeypatch.setattr(failpoints, "at_point", At("delivery suppressing", lambda: elsewhere(statement)))

    deliver_batch()
    rested = state()
    deliver()

    assert rested == ("suppressed", reason)
    assert len(mail_server.accepted) == 1


def test_an_account_and_its_mail_that_are_switched_on_at_the_same_time_are_seen(committed_db, mail_server):
    alice = make_user("alice")
    make_task(alice)
    set_account(alice, is_active=False)
    update_profile(alice, email_enabled=False)
    deliver()

    with another_connection() as one, another_connection() as two:
        one.execute(COMMITTED["the account is inactive"])
        two.execute(COMMITTED["unsubscribed"])
    deliver()

    assert len(mail_server.accepted) == 1


def test_who_was_away_only_while_it_was_queued_is_told_once(alice, mail_server, reason):
    go, come = AWAY_AND_BACK[reason]
    make_task(alice)
    sweep()

    go(alice)
    come(alice)
    deliver()

    assert len(mail_server.accepted) == 1
    assert [entry["step"] for entry in Delivery.objects.get().history] == ["queued", "claimed", "sent"]


def test_who_was_away_only_while_it_was_claimed_is_told_once(alice, mail_server, reason):
    go, come = AWAY_AND_BACK[reason]
    make_task(alice)
    sweep()
    holder = Holder()
    (pk,) = claim(Delivery, holder, limit=1, lease=lease(), turn=turn)
    go(alice)
    letter = renew(pk, holder, ["email"])

    come(alice)
    sweep()
    is_at_rest = suppress(letter, holder)

    assert letter.why == reason
    assert not is_at_rest
    assert Delivery.objects.get().status == "leased"


def test_who_was_away_only_while_it_was_on_the_wire_is_told_once(committed_db, mail_server, reason):
    alice = make_user("alice")
    Preference.objects.create(user=alice)
    make_task(alice)
    sweep()

    def flicker() -> None:
        with another_connection() as other:
            other.execute(UNREACHABLE_BY[reason])
        with another_connection() as other:
            other.execute(COMMITTED[reason])

    mail_server.before_data = flicker
    deliver()

    assert PersonChange.objects.count() == 0
    assert len(mail_server.accepted) == 1
    assert state() == ("sent", "")


def test_what_may_have_arrived_before_they_went_is_repeated_under_its_message_id(alice, mail_server, reason):
    go, come = AWAY_AND_BACK[reason]
    make_task(alice)
    sweep()
    content = {"title": "As it was", "description": "", "due_at": in_hours(1).isoformat(), "all_day": False}
    Delivery.objects.update(
        unknown_outcome=True, message_id="<one@example.org>", handed_over_at=timezone.now() - timedelta(minutes=5),
        content={**content, "zone": "UTC", "language": ""}, address="alice@example.org",
    )  # fmt: skip
    go(alice)
    deliver()

    come(alice)
    deliver()

    assert [mail["Message-ID"] for mail in mail_server.accepted] == ["<one@example.org>"]


def test_a_delivery_that_is_queued_again_and_suppressed_again_within_ten_seconds_waits(alice, mail_server):
    make_task(alice)
    sweep()
    for _ in range(2):
        set_account(alice, is_active=False)
        deliver_batch()
        set_account(alice, is_active=True)
        sweep()

    delivery = Delivery.objects.get()
    steps = [entry["step"] for entry in delivery.history]
    assert steps.count("queued again") == 2
    assert 5 < (delivery.not_before - timezone.now()).total_seconds() <= 10
    assert deliver_batch() == {"claimed": 0}


def test_a_clock_that_was_set_back_does_not_make_it_wait_for_long(alice):
    delivery = make_delivery(make_task(alice), status="suppressed", reason="the account is inactive")
    Delivery.objects.update(history=[{"step": "queued again", "at": in_hours(5).isoformat()}])

    sweep()

    delivery.refresh_from_db()
    assert delivery.status == "queued"
    assert (delivery.not_before - timezone.now()).total_seconds() <= 10


# One switch, whatever the person has.


def test_a_switch_writes_one_row_whatever_the_person_has(alice, mail_server, django_assert_num_queries):
    for _ in range(20):
        make_delivery(make_task(alice), status="suppressed", reason="the account is inactive")
    sweep()
    Delivery.objects.update(status="suppressed", reason="the account is inactive")
    set_account(alice, is_active=False)

    with django_assert_num_queries(1):
        set_account(alice, is_active=True)

    assert PersonChange.objects.count() == 1
    assert TaskChange.objects.count() == 0


def unreached(owner: User, *, count: int) -> None:
    for _ in range(count):
        make_delivery(make_task(owner), status="suppressed", reason="the account is inactive")


def test_more_than_fits_into_a_chunk_is_told(alice, mail_server, monkeypatch):
    monkeypatch.setattr(returning.fan_out_people, "__kwdefaults__", {"limit": 2})
    unreached(alice, count=4)
    TaskChange.objects.all().delete()
    PersonChange.objects.create(person_id=alice.pk)

    sweep()

    assert set(Delivery.objects.values_list("status", flat=True)) == {"queued"}


def test_who_has_little_does_not_wait_behind_another_who_has_much(alice, bob):
    unreached(alice, count=20)
    unreached(bob, count=1)
    TaskChange.objects.all().delete()
    User.objects.update(is_active=False)
    User.objects.update(is_active=True)

    fan_out_people(limit=10)

    assert set(TaskChange.objects.values_list("task_id", flat=True)) >= set(
        Task.objects.filter(owner=bob).values_list("id", flat=True)
    )
    assert TaskChange.objects.count() == 6
    assert list(PersonChange.objects.values_list("person_id", flat=True)) == [alice.pk]


def test_who_switches_mail_on_ten_thousand_times_has_one_turn(alice, bob):
    unreached(alice, count=20)
    unreached(bob, count=1)
    TaskChange.objects.all().delete()
    PersonChange.objects.bulk_create([PersonChange(person_id=alice.pk) for _ in range(10_000)])
    PersonChange.objects.create(person_id=bob.pk)
    oldest = PersonChange.objects.earliest("id")

    fan_out_people(limit=10)

    assert TaskChange.objects.filter(task_id__in=Task.objects.filter(owner=bob).values("id")).count() == 1
    assert TaskChange.objects.count() == 6
    assert list(PersonChange.objects.values_list("id", "at")) == [(oldest.pk, oldest.at)]


def test_who_comes_back_again_while_their_turn_is_under_way_has_another_and_no_more(alice, bob):
    unreached(alice, count=4)
    PersonChange.objects.create(person_id=alice.pk)
    fan_out_people(limit=3)
    TaskChange.objects.all().delete()
    again = PersonChange.objects.create(person_id=alice.pk)
    PersonChange.objects.bulk_create([PersonChange(person_id=alice.pk) for _ in range(2)])

    fan_out_people(limit=3)

    assert list(PersonChange.objects.values_list("id", "after_delivery_id")) == [(again.pk, 0)]
    assert TaskChange.objects.count() == 1
    fan_out_people()
    assert TaskChange.objects.count() == 1 + 4
    assert not PersonChange.objects.exists()


def test_of_what_was_not_told_no_more_is_looked_at_than_that(alice):
    unreached(alice, count=1)
    make_delivery(make_task(alice), status="sent")
    make_delivery(make_task(alice), status="suppressed", reason="the task was done")
    make_task(alice)
    TaskChange.objects.all().delete()
    PersonChange.objects.create(person_id=alice.pk)

    fan_out_people()

    assert TaskChange.objects.count() == 1
    assert not PersonChange.objects.exists()


def test_one_sweep_works_all_of_it_off(alice, broker, monkeypatch):
    monkeypatch.setattr(returning.fan_out_people, "__kwdefaults__", {"limit": 3})
    unreached(alice, count=7)
    TaskChange.objects.all().delete()
    PersonChange.objects.create(person_id=alice.pk)

    send_due_soon()

    assert not PersonChange.objects.exists()
    assert set(Delivery.objects.values_list("status", flat=True)) == {"queued"}


def test_who_came_back_before_there_was_this_queue_is_told_after_the_upgrade(alice, bob):
    unreached(alice, count=2)
    make_delivery(make_task(bob), status="suppressed", reason="the task was done")
    sweep()
    Delivery.objects.filter(recipient=alice).update(status="suppressed", reason="unsubscribed")

    with connection.cursor() as cursor:
        cursor.execute(import_module("reminders.migrations.0009_who_comes_back").CAME_BACK_BEFORE)

    assert list(PersonChange.objects.values_list("person_id", flat=True)) == [alice.pk]


# Every reason: what it takes to be told after all. "Never" is a row as well.


def give(task: Task, name: str) -> None:
    Task.objects.filter(pk=task.pk).update(owner=User.objects.filter(username=name).first() or make_user(name))


About = Callable[[Task], object]

OF_TASKS: dict[str, tuple[About, About]] = {
    "the task was deleted": (services.delete_task, services.restore_task),
    "the task was done": (services.complete_task, lambda task: services.update_task(task, status="todo")),
    "the due date was removed": (
        lambda task: services.update_task(task, due_at=None),
        lambda task: services.update_task(task, due_at=Reminder.objects.get().due_at),
    ),
    "the due date was moved": (
        lambda task: services.update_task(task, due_at=in_hours(96)),
        lambda task: services.update_task(task, due_at=Reminder.objects.order_by("id").first().due_at),
    ),
    "the task belongs to somebody else now": (
        lambda task: (give(task, "carol"), User.objects.filter(username="carol").update(email="carol@example.org")),
        lambda task: give(task, "alice"),
    ),
    "cancelled by alice": (
        lambda task: cancel_reminders(Reminder.objects.all(), by=task.owner),
        lambda task: retry_deliveries(Delivery.objects.all(), by=task.owner),
    ),
    **{
        why: (lambda task, go=go: go(task.owner), lambda task, come=come: come(task.owner))
        for why, (go, come) in AWAY_AND_BACK.items()
    },
}


@pytest.mark.parametrize("why", OF_TASKS)
def test_a_reminder_comes_back_when_its_reason_has_gone_and_rests_until_then(alice, mail_server, why):
    away, back = OF_TASKS[why]
    task = make_task(alice)
    sweep()
    first = Delivery.objects.get()
    away(task)
    deliver()
    first.refresh_from_db()
    assert (first.status, first.reason) == ("suppressed", why)
    assert [entry["step"] for entry in first.history].count("queued again") == 0
    assert not TaskChange.objects.exists()

    task.refresh_from_db()
    back(task)
    deliver()

    first.refresh_from_db()
    assert first.status == "sent"


def test_a_reminder_that_a_person_cancelled_in_a_workers_hands_is_sent_when_they_ask_for_it(alice, mail_server):
    make_task(alice)
    sweep()
    holder = Holder()
    (pk,) = claim(Delivery, holder, limit=1, lease=lease(), turn=turn)
    cancel_reminders(Reminder.objects.all(), by=alice)
    suppress(renew(pk, holder, ["email"]), holder)
    deliver()
    assert state() == ("suppressed", "cancelled by alice")

    retry_deliveries(Delivery.objects.all(), by=alice)
    deliver()

    assert state() == ("sent", "")
    assert Reminder.objects.get().status == "dispatched"


def test_what_was_told_in_a_later_round_rests(alice, mail_server):
    delivery = make_delivery(make_task(alice), status="suppressed", reason="told again in a later round")
    told = delivery.reminder
    later = Reminder.objects.create(
        task=told.task, rule=told.rule, kind=told.kind, due_at=told.due_at, remind_at=told.remind_at, round=2,
        status="dispatched",
    )  # fmt: skip
    Delivery.objects.create(reminder=later, recipient=alice, status="sent", sent_at=timezone.now())

    deliver()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.reason) == ("suppressed", "told again in a later round")
    assert mail_server.taken == []


@pytest.mark.parametrize("is_unknown", [False, True], ids=["not told", "may have arrived"])
def test_what_was_told_last_rests_until_another_date_is_told(alice, mail_server, is_unknown):
    """Its second round turned out to be for nothing: the other date never went out."""
    task = make_task(alice)
    first = make_delivery(task, status="sent", handed_over_at=timezone.now() - timedelta(hours=2)).reminder
    again = Reminder.objects.create(
        task=task, rule=first.rule, kind=first.kind, due_at=first.due_at, remind_at=first.remind_at, round=2,
        status="dispatched",
    )  # fmt: skip
    delivery = Delivery.objects.create(
        reminder=again, recipient=alice, unknown_outcome=is_unknown, content={"title": "As it was"},
        handed_over_at=timezone.now() - timedelta(hours=1) if is_unknown else None, address="alice@example.org",
        message_id="<one@example.org>",
    )  # fmt: skip

    deliver()
    services.update_task(task, status="in_progress")
    deliver()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.reason) == ("suppressed", "this due date was the last that was told")
    assert [entry["step"] for entry in delivery.history].count("suppressed") == 1
    assert Reminder.objects.count() == 2

    services.update_task(task, due_at=in_hours(5))
    deliver()
    services.update_task(task, due_at=first.due_at)
    deliver()

    assert Delivery.objects.filter(reminder__due_at=first.due_at, status="sent").count() == 2
    assert Reminder.objects.count() == (4 if is_unknown else 3)


def test_a_task_that_is_reopened_while_its_owner_is_away_is_told_when_they_come_back(alice, mail_server, reason):
    go, come = AWAY_AND_BACK[reason]
    task = make_task(alice)
    sweep()
    services.complete_task(task)
    deliver()
    go(alice)
    services.update_task(task, status="todo")
    deliver()
    assert state() == ("suppressed", reason)
    assert mail_server.taken == []

    come(alice)
    deliver()

    assert state() == ("sent", "")


def test_a_due_date_that_comes_back_while_its_owner_is_away_gets_no_round_after_another(alice, mail_server, reason):
    go, come = AWAY_AND_BACK[reason]
    task = make_task(alice)
    first = task.due_at
    deliver()
    services.update_task(task, due_at=in_hours(5))
    deliver()
    go(alice)
    services.update_task(task, due_at=first)
    deliver()
    assert Reminder.objects.count() == 3

    come(alice)
    deliver()

    assert len(mail_server.accepted) == 3
    assert Reminder.objects.count() == 3


OF_FILES: dict[str, tuple[Callable[[Attachment], object], Callable[[Attachment], object]]] = {
    "the task was deleted": (
        lambda file: services.delete_task(file.task),
        lambda file: services.restore_task(file.task),
    ),
    "the file is not quarantined any more": (
        lambda file: rescan_attachment(file, by=file.task.owner, as_administrator=True),
        lambda file: Attachment.objects.update(state="infected", is_untold=True, reason="Eicar"),
    ),
    "the task belongs to somebody else now": (
        lambda file: give(file.task, "carol"),
        lambda file: give(file.task, "alice"),
    ),
    **{
        why: (lambda file, go=go: go(file.task.owner), lambda file, come=come: come(file.task.owner))
        for why, (go, come) in AWAY_AND_BACK.items()
    },
}


@pytest.mark.parametrize("why", OF_FILES)
def test_the_news_of_an_infected_file_comes_back_when_its_reason_has_gone(infected, mail_server, why):
    away, back = OF_FILES[why]
    sweep()
    first = Delivery.objects.get()
    away(infected)
    deliver()
    first.refresh_from_db()
    assert (first.status, first.reason) == ("suppressed", why)
    assert [entry["step"] for entry in first.history].count("queued again") == 0

    back(Attachment.objects.get())
    deliver()

    first.refresh_from_db()
    assert first.status == "sent"


@pytest.mark.parametrize("end", [{"deleted_at": clock()}, {"state": "ready"}], ids=["deleted", "released"])
def test_the_news_of_a_file_that_has_gone_meanwhile_rests(infected, alice, mail_server, end):
    sweep()
    set_account(alice, is_active=False)
    deliver()
    Attachment.objects.update(**end)

    set_account(alice, is_active=True)
    deliver()

    assert state() == ("suppressed", "the account is inactive")
    assert mail_server.taken == []
