"""Filters of lists that refuse what they do not know, so that a misspelt one does not quietly return everything."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext
from django_filters import Filter, MultipleChoiceFilter
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request
from rest_framework.views import APIView

OF_EVERY_LIST = {"page", "page_size", "ordering", "format"}
LONGEST_SEARCH = 200


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]
    """django-filter for lists, and 400 for a parameter that is no filter."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> Any:
        if not is_list(view):
            return queryset
        filterset_class = self.get_filterset_class(view, queryset)
        filters = dict(filterset_class.base_filters if filterset_class else {})
        asked = set(request.query_params)
        if unknown := asked - filters.keys() - OF_EVERY_LIST - ({"search"} if can_be_searched(view) else set()):
            raise ValidationError(dict.fromkeys(sorted(unknown), gettext("There is no such filter.")))
        if repeated := {name for name in asked if is_repeated(request, name, filters.get(name))}:
            raise ValidationError(dict.fromkeys(sorted(repeated), gettext("Give this once: only one value counts.")))
        if len(request.query_params.get("search", "")) > LONGEST_SEARCH:
            raise ValidationError({"search": too_long_a_search()})
        # A filterset is a form and takes as long as a statement, so there is none without a filter.
        return super().filter_queryset(request, queryset, view) if asked & filters.keys() else queryset


def is_repeated(request: Request, name: str, known: Filter | None) -> bool:
    """Whether several values were given of which all but the last would be ignored."""
    return len(request.query_params.getlist(name)) > 1 and not isinstance(known, MultipleChoiceFilter)


class StrictOrderingFilter(OrderingFilter):
    """?ordering= by known fields only, and always a total order, so that pages neither repeat nor skip a row."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> Any:
        return super().filter_queryset(request, queryset, view) if is_list(view) else queryset

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> Any:
        asked = [term for term in request.query_params.get(self.ordering_param, "").split(",") if term]
        allowed = {name for name, _ in self.get_valid_fields(queryset, view)}
        for term in asked:
            if term.removeprefix("-") not in allowed:
                names = ", ".join(sorted(allowed))
                text = gettext("“%(term)s” is none of %(names)s.") % {"term": term[:50], "names": names}
                raise ValidationError({self.ordering_param: text})
        ordering = asked or list(self.get_default_ordering(view) or [])
        return ordering if {"id", "-id"} & set(ordering) else [*ordering, "-id"]

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """With the fields that one can order by."""
        (parameter,) = super().get_schema_operation_parameters(view)
        names = "|".join(name for name, _ in self.get_valid_fields(view.queryset, view))
        schema = {"type": "string", "pattern": f"^(-?({names})(,-?({names}))*)?$"}
        return [{**parameter, "schema": schema}]


def too_long_a_search() -> str:
    return gettext("Search for at most %(most)s characters.") % {"most": LONGEST_SEARCH}


def is_list(view: Any) -> bool:
    """Whether the filters apply. One object is found by its address, whatever else the query says."""
    return bool(view.action == "list")


def can_be_searched(view: Any) -> bool:
    return bool(getattr(view, "search_fields", None))
