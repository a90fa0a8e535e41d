"""The admin's lists of tables that grow for ever: nothing that a page does may read all of one."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from work.paging import UncountedPaginator

SORTED_UP_TO = 200_000
"""Rows of a table whose list can be sorted by any column: no index serves that, so all of them are read."""

LATEST = 50_000
"""Rows in which a text is looked for: the latest."""

USERS_FOUND = 10


class SortableChangeList(ChangeList):
    """Sorts by the columns that it offers to sort by, whatever the address says."""

    def get_ordering_field(self, field_name: Any) -> Any:
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or []) else None


class LargeTableAdmin(admin.ModelAdmin):
    """A list that is counted and sorted while that is cheap, and searched part by part."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count every row
    paginator = UncountedPaginator
    list_per_page = 50
    ordering = ("-id",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SortableChangeList

    def get_sortable_by(self, request: HttpRequest) -> Any:
        return super().get_sortable_by(request) if rows_of(self.model) <= SORTED_UP_TO else []

    def found_by(self, word: str) -> "Iterable[QuerySet[Any]]":
        """Rows of this model in which the word is found, one queryset for each index that leads to them."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> "tuple[QuerySet[Any], bool]":
        """As Django does it, each word is to be found somewhere; but as a union, for one condition with OR across
        tables is met by no index."""
        for word in search_term.split():
            first, *others = (rows.order_by().values("pk") for rows in self.found_by(word))
            queryset = queryset.filter(pk__in=first.union(*others))
        return queryset, False


def rows_of(model: type[Model]) -> int:
    """About how many there are, as PostgreSQL last saw it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table])
        return int(cursor.fetchone()[0])


def latest(model: type[Model]) -> "QuerySet[Any]":
    """Those rows of a model in which a text may be looked for."""
    newest = model._default_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
    return model._default_manager.filter(pk__gt=newest - LATEST)


def users_named(word: str) -> list[int]:
    """The user of that name, else some of those in whose names it is found."""
    users = User.objects.order_by("pk").values_list("pk", flat=True)
    return list(users.filter(username=word)) or list(users.filter(username__icontains=word)[:USERS_FOUND])
