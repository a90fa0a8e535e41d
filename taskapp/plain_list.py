"""A person's tasks, newest first and unfiltered: what clients ask for most, by statements that are written out.

The ORM takes five times as long for the same two, to put them together and to make objects of the rows. What is
filtered, searched or ordered still goes that way, and looks the same.
"""

from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import connection

from taskapp.models import TagNames


class TaskRow(NamedTuple):
    """What is shown of a task."""

    id: int
    title: str
    description: str
    status: str
    priority: str
    due_at: datetime | None
    timezone: str
    all_day: bool
    version: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    deleted_at: datetime | None
    tag_names: list[str]


# Index for both: task_owner.
COUNT = "SELECT count(*) FROM taskapp_task WHERE owner_id = %s AND deleted_at IS NULL"
PAGE = f"""
    SELECT {", ".join(TaskRow._fields[:-1])}, {TagNames.template % {"expressions": "taskapp_task.id"}} AS tag_names
    FROM taskapp_task WHERE owner_id = %s AND deleted_at IS NULL
    ORDER BY id DESC LIMIT %s OFFSET %s
"""  # noqa: S608 (the names of our own columns)


class PlainList:
    """What a paginator needs of a queryset: it can be counted and sliced."""

    def __init__(self, owner: User) -> None:
        self.owner = owner

    def count(self) -> int:
        ((count,),) = self._rows(COUNT, self.owner.pk)
        return int(count)

    def __getitem__(self, part: slice) -> list[TaskRow]:
        return [TaskRow._make(row) for row in self._rows(PAGE, self.owner.pk, part.stop - part.start, part.start)]

    def _rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())
