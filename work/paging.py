"""Pages of a table of any size."""

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db import connection
from django.db.models import QuerySet

EXACT_UP_TO = 10_000


class UncountedPaginator(Paginator):
    """Counts exactly while that is cheap; beyond that takes PostgreSQL's estimate, not to read millions of rows."""

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        exact = self.object_list.order_by()[: EXACT_UP_TO + 1].count()
        return exact if exact <= EXACT_UP_TO else max(self._estimate(), EXACT_UP_TO + 1)

    def _estimate(self) -> int:
        """The planner's guess for this query, filters included."""
        sql, params = self.object_list.order_by().values("pk").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            return int(cursor.fetchone()[0][0]["Plan"]["Plan Rows"])
