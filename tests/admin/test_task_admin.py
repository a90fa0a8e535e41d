"""Tasks and tags in the admin: what is saved goes through the services, and actions do what they say."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from accounts.models import Token
from accounts.services import create_token
from reminders.models import Delivery, Reminder
from taskapp.models import Tag, Task
from tests.factories import make_delivery, make_task

LIST = "/admin/taskapp/task/"


def form(admin, path: str, **changes: Any) -> dict[str, Any]:
    """What a browser sends back when these fields are changed and the rest is left alone."""
    bound = admin.get(path).context["adminform"].form
    sent: dict[str, Any] = {}
    for field in bound:
        for name, value in zip(names_of(field), values_of(field), strict=True):
            if value not in (None, False):
                sent[name] = "on" if value is True else value
        if field.field.show_hidden_initial:
            sent[field.html_initial_name] = field.initial
    return {name: value for name, value in {**sent, **changes}.items() if value is not None}


def names_of(field) -> list[str]:
    widgets = getattr(field.field.widget, "widgets_names", [""])
    return [field.html_name + suffix for suffix in widgets]


def values_of(field) -> list[Any]:
    value = field.initial
    return list(field.field.widget.decompress(value)) if len(names_of(field)) == 2 else [value]


def save(admin, path: str, **changes: Any):
    response = admin.post(path, form(admin, path, **changes))
    errors = response.context and response.context["adminform"].form.errors
    return response, errors or {}


def change(admin, task: Task, **changes: Any):
    return save(admin, f"{LIST}{task.pk}/change/", **changes)


def act(admin, action: str, *tasks: Task) -> None:
    response = admin.post(LIST + "?deleted=all", {"action": action, "_selected_action": [task.pk for task in tasks]})
    assert response.status_code == 302


def test_a_task_is_made(admin, alice):
    response, errors = save(
        admin, LIST + "add/", owner=alice.pk, title="Pay the rent", tag_names="home\n\nMoney\n", due_at_0="2026-03-01",
        due_at_1="09:00:00",
    )  # fmt: skip

    assert (response.status_code, errors) == (302, {})
    task = Task.objects.get()
    assert (task.owner, task.title, task.version) == (alice, "Pay the rent", 1)
    assert task.due_at == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert {tag.name for tag in task.tags.all()} == {"home", "Money"}
    assert not task.tags.exclude(owner=alice).exists()


def test_an_all_day_task_is_due_at_the_end_of_the_local_day(admin, alice):
    save(
        admin, LIST + "add/", owner=alice.pk, title="x", due_at_0="2026-03-01", due_at_1="09:00:00", all_day="on",
        timezone="Europe/Berlin",
    )  # fmt: skip

    assert Task.objects.get().due_at == datetime(2026, 3, 1, 23, tzinfo=UTC)


def test_an_all_day_task_that_is_saved_again_does_not_drift(admin, alice):
    due_at = datetime(2026, 3, 1, 23, tzinfo=UTC)
    task = make_task(alice, due_at=due_at, timezone="Europe/Berlin", all_day=True)

    change(admin, task)
    change(admin, task, title="new")

    task.refresh_from_db()
    assert (task.title, task.due_at) == ("new", due_at)


def test_saving_without_a_change_writes_nothing(admin, alice):
    task = make_task(alice)
    before = Task.objects.values().get()

    response, errors = change(admin, task)

    assert (response.status_code, errors) == (302, {})
    assert Task.objects.values().get() == before


def test_only_what_was_changed_is_written(admin, alice):
    task = make_task(alice)
    path = f"{LIST}{task.pk}/change/"
    opened = form(admin, path, title="new")
    Task.objects.filter(pk=task.pk).update(priority="critical", description="meanwhile")  # by somebody else

    # What stood in the form when it was opened is not what stands in the row now; the browser sends the old.
    admin.post(path, {**opened, "priority": "critical", "description": "meanwhile"})

    task.refresh_from_db()
    assert (task.title, task.priority, task.description) == ("new", "critical", "meanwhile")
    assert task.due_at.microsecond != 0  # the form knows seconds alone, and did not touch it


def test_tags_are_changed_and_the_version_grows(admin, alice):
    task = make_task(alice)
    task.tags.create(owner=alice, name="home")

    change(admin, task, tag_names="home\nsoon")

    task.refresh_from_db()
    assert {tag.name for tag in task.tags.all()} == {"home", "soon"}
    assert task.version == 2


def test_another_owners_tag_cannot_be_attached(admin, alice, bob):
    theirs = Tag.objects.create(owner=bob, name="secret")
    task = make_task(alice)

    change(admin, task, tag_names="secret", tags=theirs.pk)

    assert task.tags.get() != theirs
    assert task.tags.get().owner == alice


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"title": "a\x1bb"}, "title"),
        ({"description": "a\x1bb"}, "description"),
        ({"timezone": "Mars/Phobos"}, "timezone"),
        ({"status": "over"}, "status"),
        ({"tag_names": "x" * 51}, "tag_names"),
        ({"tag_names": "a\x1bb"}, "tag_names"),
        ({"tag_names": "\n".join(map(str, range(51)))}, "tag_names"),
        ({"due_at_0": "1899-12-31", "due_at_1": "23:59:59"}, "due_at"),
        ({"due_at_0": "9000-01-01", "due_at_1": "00:00:00"}, "due_at"),
        ({"due_at_0": "8999-12-31", "due_at_1": "12:00:00", "all_day": "on"}, "due_at"),
        ({"due_at_0": "x", "due_at_1": "y"}, "due_at"),
        ({"owner": "999999"}, "owner"),
    ],
)
def test_a_bad_value_is_shown_beside_its_field(admin, alice, changes, field):
    task = make_task(alice)

    response, errors = change(admin, task, **changes)

    assert response.status_code == 200
    assert set(errors) == {field}
    assert Task.objects.get().version == 1


def test_a_deleted_task_leaves_a_tombstone(admin, alice):
    task = make_task(alice)
    make_delivery(task, status="sent")

    asked = admin.get(f"{LIST}{task.pk}/delete/").text
    admin.post(f"{LIST}{task.pk}/delete/", {"post": "yes"})

    task.refresh_from_db()
    assert f"/admin/reminders/delivery/{Delivery.objects.get().pk}/" not in asked
    assert task.deleted_at is not None
    assert Delivery.objects.exists()
    assert "Pay the rent" not in admin.get(LIST).context["cl"].queryset.values_list("title", flat=True)
    assert list(admin.get(LIST + "?deleted=yes").context["cl"].queryset) == [task]
    assert list(admin.get(LIST + "?deleted=all").context["cl"].queryset) == [task]


def test_the_list_shows_what_is_present(admin, alice):
    present = make_task(alice)
    make_task(alice, deleted_at=timezone.now())

    assert list(admin.get(LIST).context["cl"].queryset) == [present]


def test_actions_move_many_at_once(admin, alice):
    todo, busy, done = (make_task(alice, status=status) for status in ("todo", "in_progress", "todo"))
    make_task(alice, title="left alone")

    act(admin, "complete", todo, done)
    assert Task.objects.filter(status="done", completed_at__isnull=False).count() == 2
    act(admin, "reopen", done, busy)
    assert [Task.objects.get(pk=task.pk).status for task in (todo, busy, done)] == ["done", "in_progress", "todo"]
    act(admin, "delete_softly", todo, done)
    assert set(Task.objects.deleted()) == {todo, done}
    act(admin, "restore", todo, busy)
    assert set(Task.objects.deleted()) == {done}
    assert Task.objects.count() == 4


def test_an_action_says_how_many_it_moved(admin, alice):
    tasks = [make_task(alice), make_task(alice)]
    act(admin, "complete", tasks[0])

    response = admin.post(LIST, {"action": "complete", "_selected_action": [task.pk for task in tasks]}, follow=True)

    assert "1 task done." in response.text


def test_many_at_once_are_never_erased(admin, alice):
    task = make_task(alice)

    admin.post(LIST, {"action": "delete_selected", "_selected_action": [task.pk], "post": "yes"})

    assert Task.objects.present().exists()


def test_a_tag_is_renamed_and_deleted_and_its_tasks_know(admin, alice):
    task = make_task(alice)
    tag = task.tags.create(owner=alice, name="home")
    other = Tag.objects.create(owner=alice, name="work")
    path = f"/admin/taskapp/tag/{tag.pk}/"

    assert admin.post(path + "change/", {"name": "WORK"}).status_code == 200  # a form with an error
    admin.post(path + "change/", {"name": "house"})
    assert [tag.name for tag in task.tags.all()] == ["house"]
    admin.post(path + "delete/", {"post": "yes"})
    admin.post("/admin/taskapp/tag/", {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"})

    task.refresh_from_db()
    assert not Tag.objects.exists()
    assert task.version == 3


def test_deleting_a_person_purges_all_of_theirs_and_nothing_else(admin, alice, bob):
    for user in (alice, bob):
        task = make_task(user)
        task.tags.create(owner=user, name="home")
        make_delivery(task, status="sent")
        create_token(user)

    response = admin.post(f"/admin/auth/user/{alice.pk}/delete/", {"post": "yes"})

    assert response.status_code == 302
    assert not User.objects.filter(pk=alice.pk).exists()
    for model in (Task, Tag, Reminder, Delivery, Token):
        assert model.objects.count() == 1


def test_many_people_can_be_deleted_at_once(admin, alice, bob):
    make_delivery(make_task(alice), status="sent")

    admin.post(
        "/admin/auth/user/", {"action": "delete_selected", "_selected_action": [alice.pk, bob.pk], "post": "yes"}
    )

    assert not User.objects.filter(pk__in=[alice.pk, bob.pk]).exists()
    assert not Task.objects.exists()


def test_a_time_is_shown_by_the_packaged_rules_whatever_the_host_believes(admin, alice, settings):
    """Vancouver has been seven hours behind UTC all year since November 2026."""
    settings.TIME_ZONE = "America/Vancouver"
    moment = datetime(2026, 11, 28, 1, 43, 57, tzinfo=UTC)
    make_delivery(make_task(alice, due_at=moment, timezone="America/Vancouver"), status="sent", sent_at=moment)

    assert "Fri 27 Nov, 18:43:57 Vancouver" in admin.get(LIST).text.replace(" 2026,", ",")
    assert "Nov. 27, 2026, 6:43 p.m." in admin.get("/admin/reminders/delivery/").text
