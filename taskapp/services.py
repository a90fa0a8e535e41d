"""What people do with tasks. The API, the admin, the commands and the shell all call these."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from taskapp.dates import day_of, day_that_ends, end_of_day
from taskapp.errors import KeyReused, TaskChanged
from taskapp.models import IdempotencyKey, Tag, Task, TaskQuerySet
from work.step import clock, in_

KEYS_KEPT = timedelta(days=7)


def create_task(owner: User, *, tags: Iterable[str] = (), **fields: Any) -> Task:
    """Make a task. Tags are names, made on first use. An all-day task is due at the end of the local day of `due_at`."""
    task = Task(owner=owner, **fields)
    if task.all_day and task.due_at:
        task.due_at = end_of_day(day_of(task.due_at, task.timezone), task.timezone)
    with transaction.atomic():
        task.save()
        set_tags(task, names=tags)
    task.refresh_from_db()
    return task


def create_task_once(owner: User, *, key: str, fingerprint: str, **fields: Any) -> tuple[Task, bool]:
    """Make a task, or find the one that this Idempotency-Key made; say whether it is new.

    A request with the same key that is still under way is waited for: the unique constraint holds the second back.
    """
    with transaction.atomic():
        made = IdempotencyKey.objects.bulk_create(
            [IdempotencyKey(owner=owner, key=key, fingerprint=fingerprint)], ignore_conflicts=True
        )
        row = IdempotencyKey.objects.select_for_update().get(owner=owner, key=key)
        if row.task is None and made:
            row.task = create_task(owner, **fields)
            row.save(update_fields=["task"])
            return row.task, True
    if row.fingerprint != fingerprint or row.task is None:
        raise KeyReused
    return row.task, False


def update_task(task: Task, *, version: int | None = None, tags: Iterable[str] | None = None, **fields: Any) -> Task:
    """Change the given fields; with `version`, only while the task is still at it (else TaskChanged).

    The stored row is locked and only what was given is written, so that two people's changes to different fields
    both stand.
    """
    with transaction.atomic():
        stored = Task.objects.select_for_update(no_key=True).get(pk=task.pk)
        if version is not None and stored.version != version:
            raise TaskChanged
        fields = with_due_date_settled(stored, fields)
        for name, value in fields.items():
            setattr(stored, name, value)
        if fields:
            stored.save(update_fields=fields)
        if tags is not None:
            set_tags(stored, names=tags)
            touch(Task.objects.filter(pk=stored.pk))
    stored.refresh_from_db()
    return stored


def with_due_date_settled(stored: Task, fields: dict[str, Any]) -> dict[str, Any]:
    """The changes, with `due_at` at the end of the local day if the task is or becomes an all-day one.

    A due date sent back as it was stays where it is; one whose zone changes stays on its day.
    """
    all_day = fields.get("all_day", stored.all_day)
    zone = fields.get("timezone", stored.timezone)
    due_at = fields.get("due_at", stored.due_at)
    if not all_day or due_at is None:
        return fields
    if stored.all_day and due_at == stored.due_at:
        day = day_that_ends(due_at, stored.timezone)
    else:
        day = day_of(due_at, zone)
    return {**fields, "due_at": end_of_day(day, zone)}


def touch(tasks: "QuerySet[Task]") -> None:
    """Let the version grow though no column of the task changed: its tags are part of what a client sees."""
    tasks.update(updated_at=clock())


def set_tags(task: Task, *, names: Iterable[str]) -> None:
    """File the task under these tags alone. Names that differ only in case are one tag."""
    wanted = {name.lower(): name for name in names}
    if not wanted and not task.tags.exists():
        return
    Tag.objects.bulk_create(
        [Tag(owner_id=task.owner_id, name=name) for name in wanted.values()], ignore_conflicts=True
    )
    own = Tag.objects.filter(owner_id=task.owner_id)
    task.tags.set(tag for tag in own if tag.name.lower() in wanted)


def complete_task(task: Task) -> Task:
    return update_task(task, status=Task.Status.DONE)


def delete_task(task: Task) -> None:
    delete_tasks(Task.objects.filter(pk=task.pk))


def restore_task(task: Task) -> Task:
    restore_tasks(Task.objects.filter(pk=task.pk))
    task.refresh_from_db()
    return task


def delete_tasks(tasks: TaskQuerySet) -> int:
    """Make tombstones of the tasks; they can be restored until they are purged."""
    return tasks.present().update(deleted_at=clock())


def restore_tasks(tasks: TaskQuerySet) -> int:
    return tasks.deleted().update(deleted_at=None)


def set_status(tasks: TaskQuerySet, *, status: str) -> int:
    """Move many tasks to a status at once."""
    return tasks.present().exclude(status=status).update(status=status)


def purge_tombstones(*, older_than: timedelta, limit: int = 1000) -> int:
    """Delete for good what was deleted long ago, a batch at a time, so that no lock is held for long."""
    with transaction.atomic():
        batch = list(
            Task.objects.filter(deleted_at__lt=in_(-older_than))
            .order_by("pk")
            .select_for_update(skip_locked=True)
            .values_list("pk", flat=True)[:limit]
        )
        Task.objects.filter(pk__in=batch).delete()
    return len(batch)


def prune_idempotency_keys() -> int:
    return IdempotencyKey.objects.filter(created_at__lt=in_(-KEYS_KEPT)).delete()[0]
