"""What people do with tasks. The API, the admin, the commands and the shell all call these."""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import Any, cast

from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from taskapp.dates import (
    EARLIEST_DUE,
    LATEST_DUE,
    day_meant,
    day_of,
    day_of_deadline,
    end_of_day,
    local_under_older_rules,
    settled_local,
)
from taskapp.errors import DueDateOutOfRangeError, KeyReusedError, TagExistsError, TaskChangedError
from taskapp.models import IdempotencyKey, Tag, Task, TaskQuerySet
from work.failpoints import reached
from work.step import clock

KEYS_KEPT = timedelta(days=7)

# Index: tag_unique_owner_name.
MAKE_TAGS = """
    INSERT INTO taskapp_tag (owner_id, name) SELECT %(owner)s, name FROM unnest(%(names)s::text[]) AS name
    ON CONFLICT DO NOTHING
"""
# In one statement, where `task.tags.set()` needs four. Indexes: tag_unique_owner_name, the unique one of the pair.
FILE_UNDER_TAGS = """
    WITH found AS (
        SELECT id, name FROM taskapp_tag
        WHERE owner_id = %(owner)s AND lower(name) = ANY (ARRAY(SELECT lower(unnest(%(names)s::text[]))))
        ORDER BY id FOR NO KEY UPDATE
    ), taken_off AS (
        DELETE FROM taskapp_task_tags WHERE task_id = %(task)s AND tag_id NOT IN (SELECT id FROM found)
    ), filed AS (
        INSERT INTO taskapp_task_tags (task_id, tag_id) SELECT %(task)s, id FROM found ON CONFLICT DO NOTHING
    )
    SELECT ARRAY(SELECT name FROM found ORDER BY name)
"""


# Where instant and zone are still those from which it was reckoned; without waiting, so that it stands in nobody's way.
# Index: primary key.
WRITE_DUE_LOCAL = """
    WITH free AS MATERIALIZED (
        SELECT task.id, given.local
        FROM unnest(%(ids)s::bigint[], %(instants)s::timestamptz[], %(zones)s::text[], %(locals)s::text[])
             AS given (id, due_at, timezone, local)
        JOIN taskapp_task AS task USING (id)
        WHERE task.due_local = '' AND task.due_at = given.due_at AND task.timezone = given.timezone
        ORDER BY task.id FOR NO KEY UPDATE OF task SKIP LOCKED
    )
    UPDATE taskapp_task AS task SET due_local = free.local FROM free WHERE task.id = free.id
"""


def create_task(owner: User, *, tags: Iterable[str] = (), **fields: Any) -> Task:
    """Make a task. Tags are names, made on first use.

    An all-day task is due at the end of the day `due_on`, or of the day on which `due_at` lies.
    """
    task = Task(owner=owner, **with_due_date_settled(Task(), fields))
    with transaction.atomic():
        task.save()
        names = list(tags)
        task.tag_names = set_tags(task, names=names) if names else []
        reached("task saving")
    return task


def create_task_once(owner: User, *, key: str, fingerprint: str, **fields: Any) -> tuple[Task, bool]:
    """Make a task, or find the one that this Idempotency-Key made; say whether it is new.

    A request with the same key that is still under way is waited for: the unique constraint holds the second back.
    """
    with transaction.atomic():
        IdempotencyKey.objects.bulk_create(
            [IdempotencyKey(owner=owner, key=key, fingerprint=fingerprint)], ignore_conflicts=True
        )
        row = IdempotencyKey.objects.select_for_update(of=["self"]).select_related("task").get(owner=owner, key=key)
        if row.fingerprint != fingerprint:
            raise KeyReusedError
        if row.task is not None:
            return as_stored(row.task), False
        row.task = create_task(owner, **fields)
        row.save(update_fields=["task"])
        return row.task, True


def update_task(
    task: Task, *, versions: Collection[int] | None = None, tags: Iterable[str] | None = None, **fields: Any
) -> Task:
    """Change the given fields; with `versions`, only while the task is at one of them (else TaskChangedError).

    The stored row is locked and only what was given is written, so that two people's changes to different fields
    both stand.
    """
    with transaction.atomic():
        stored = locked(task, versions=versions)
        fields = with_due_date_settled(stored, fields)
        for name, value in fields.items():
            setattr(stored, name, value)
        if fields:
            stored.save(update_fields=fields)
        if tags is not None:
            set_tags(stored, names=tags)
            touch(Task.objects.filter(pk=stored.pk))
    return as_stored(stored)


def as_stored(task: Task) -> Task:
    """The task as it is read by whoever shows it, with what the database has made of it."""
    return Task.objects.with_tag_names().get(pk=task.pk)


def locked(task: Task, *, versions: Collection[int] | None) -> Task:
    """The task as it is stored, and stays until the transaction ends."""
    stored = Task.objects.select_for_update(no_key=True).get(pk=task.pk)
    if versions is not None and stored.version not in versions:
        raise TaskChangedError
    return stored


def with_due_date_settled(stored: Task, fields: dict[str, Any]) -> dict[str, Any]:
    """The changes to a stored or a new task, with what was meant, `due_local`, and the instant that follows from it.

    An all-day task is due at the end of its local day, which `due_on` can name in place of `due_at`. A due date sent
    back as it was stays where it is; an all-day one whose zone changes stays on its day.
    """
    if not fields.keys() & {"due_at", "due_on", "timezone", "all_day"}:
        return fields
    fields = dict(fields)
    day = fields.pop("due_on", None)
    zone, all_day = fields.get("timezone", stored.timezone), fields.get("all_day", stored.all_day)
    if day is None:
        due_at = fields.get("due_at", stored.due_at)
        if due_at is None:
            return {**fields, "due_local": ""}
        if not EARLIEST_DUE <= due_at < LATEST_DUE:
            raise DueDateOutOfRangeError
        if not all_day:
            return {**fields, "due_local": settled_local(stored.due_local, due_at, zone, all_day=False)}
        day = day_chosen(stored, due_at, zone)
    elif not EARLIEST_DUE.date() <= day < LATEST_DUE.date():
        raise DueDateOutOfRangeError
    due_at = end_of_day(day, zone)
    if not due_at < LATEST_DUE:
        raise DueDateOutOfRangeError
    return {**fields, "due_at": due_at, "due_local": day.isoformat()}


def day_chosen(stored: Task, due_at: datetime, zone: str) -> date:
    """The day of an all-day task that is given an instant. One that is new counts for the day on which it lies."""
    if due_at != stored.due_at:
        return day_of(due_at, zone)
    if stored.all_day:
        return day_meant(stored.due_local, due_at, stored.timezone)
    return day_of_deadline(due_at, zone)


def fill_due_local(*, limit: int = 5_000) -> int:
    """Say what was meant by due dates that were written as instants alone, by SQL; return how many.

    The rows change for nobody: no version grows. One that somebody holds is left for the next time.
    """
    # In the order of the index task_without_due_local, lest PostgreSQL read all tasks in the hope of meeting some soon.
    rows = Task.objects.filter(due_local="", due_at__isnull=False).order_by("pk")[:limit]
    found = list(rows.values_list("pk", "due_at", "timezone", "all_day"))
    if not found:
        return 0
    ids, instants, zones, _ = zip(*found, strict=True)
    locals_ = [
        local_under_older_rules(cast(datetime, due_at), zone, all_day=all_day) for _, due_at, zone, all_day in found
    ]
    with connection.cursor() as cursor:
        cursor.execute(WRITE_DUE_LOCAL, {
            "ids": list(ids), "instants": list(instants), "zones": list(zones), "locals": locals_,
        })  # fmt: skip
        return int(cursor.rowcount)


def touch(tasks: QuerySet[Task]) -> None:
    """Let the version grow though no column of the task changed: its tags are part of what a client sees."""
    tasks.update(updated_at=clock())


def set_tags(task: Task, *, names: Iterable[str]) -> list[str]:
    """File the task under these tags alone, and return what they are called.

    Names that differ only in case, as PostgreSQL sees it, are one tag. New tags are inserted in one order by
    everybody, and found ones locked, so that two requests neither wait for each other in a circle nor delete what the
    other is attaching.
    """
    wanted = sorted(set(names), key=lambda name: (name.lower(), name))
    with connection.cursor() as cursor:
        if wanted:
            cursor.execute(MAKE_TAGS, {"owner": task.owner_id, "names": wanted})
        cursor.execute(FILE_UNDER_TAGS, {"owner": task.owner_id, "names": wanted, "task": task.pk})
        (found,) = cursor.fetchone()
        return cast(list[str], found)


def rename_tag(tag: Tag, *, name: str) -> None:
    """Give the tag another name; TagExistsError if its owner has another one of that name."""
    try:
        with transaction.atomic():
            touch_tasks_of(Tag.objects.filter(pk=tag.pk))
            Tag.objects.filter(pk=tag.pk).update(name=name)
    except IntegrityError as error:
        raise TagExistsError from error


def delete_tags(tags: QuerySet[Tag]) -> int:
    """Delete the tags and take them off their tasks."""
    with transaction.atomic():
        touch_tasks_of(tags)
        ids = list(tags.order_by("pk").select_for_update(of=["self"]).values_list("pk", flat=True))
        Tag.objects.filter(pk__in=ids).delete()
    return len(ids)


def touch_tasks_of(tags: QuerySet[Tag]) -> None:
    """Touch the tasks with these tags. They are locked in one order, and before the tags, as everywhere."""
    tagged = Task.tags.through.objects.filter(tag__in=tags.order_by().values("pk")).values("task")
    tasks = Task.objects.filter(pk__in=tagged).order_by("pk").select_for_update(no_key=True)
    touch(Task.objects.filter(pk__in=list(tasks.values_list("pk", flat=True))))


def complete_task(task: Task, *, versions: Collection[int] | None = None) -> Task:
    return update_task(task, versions=versions, status=Task.Status.DONE)


def delete_task(task: Task, *, versions: Collection[int] | None = None) -> None:
    with transaction.atomic():
        delete_tasks(Task.objects.filter(pk=locked(task, versions=versions).pk))


def restore_task(task: Task) -> Task:
    restore_tasks(Task.objects.filter(pk=task.pk))
    return as_stored(task)


def delete_tasks(tasks: TaskQuerySet) -> int:
    """Make tombstones of the tasks; they can be restored until they are purged."""
    return tasks.present().update(deleted_at=clock())


def restore_tasks(tasks: TaskQuerySet) -> int:
    return tasks.restorable().update(deleted_at=None)


def complete_tasks(tasks: TaskQuerySet) -> int:
    return tasks.open().update(status=Task.Status.DONE)


def reopen_tasks(tasks: TaskQuerySet) -> int:
    """Put done tasks back on the list; those that are open stay as they are."""
    return tasks.present().filter(status=Task.Status.DONE).update(status=Task.Status.TODO)


def purge_tombstones(*, older_than: timedelta, among: TaskQuerySet | None = None, limit: int = 1000) -> int:
    """Delete for good what was deleted long ago, a batch at a time, so that no lock is held for long."""
    tasks = Task.objects.all() if among is None else among
    with transaction.atomic():
        batch = list(
            tasks.filter(deleted_at__lt=Now() - older_than)  # index: task_tombstone
            .order_by("deleted_at", "pk")
            .select_for_update(of=["self"], skip_locked=True)
            .values_list("pk", flat=True)[:limit]
        )
        Task.objects.filter(pk__in=batch).delete()
    return len(batch)


def prune_idempotency_keys(*, limit: int = 1000) -> int:
    old = IdempotencyKey.objects.filter(created_at__lt=Now() - KEYS_KEPT).order_by("created_at")
    return IdempotencyKey.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()[0]
