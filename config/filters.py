"""Filters of lists that refuse what they do not know, so that a misspelt one does not quietly return everything.

They are for lists alone: an object is found by its address, whatever else the query says.
"""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.request import Request
from rest_framework.views import APIView

OF_EVERY_LIST = {"page", "page_size", "ordering", "format"}
LONGEST_SEARCH = 200


def is_list(view: Any) -> bool:
    return bool(view.action == "list")


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]
    """django-filter, and 400 for a parameter that is no filter."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> Any:
        if not is_list(view):
            return queryset
        filterset = self.get_filterset(request, queryset, view)
        known = OF_EVERY_LIST | set(filterset.filters if filterset else ())
        if getattr(view, "search_fields", None):
            known.add("search")
        unknown = [name for name in request.query_params if name not in known]
        if unknown:
            raise ValidationError({name: "There is no such filter." for name in unknown})
        return super().filter_queryset(request, queryset, view)


class StrictSearchFilter(SearchFilter):
    """?search= where there is something to search, and of a sane length."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> Any:
        return super().filter_queryset(request, queryset, view) if is_list(view) else queryset

    def get_search_terms(self, request: Request) -> list[str]:
        text = request.query_params.get(self.search_param, "")
        if len(text) > LONGEST_SEARCH:
            raise ValidationError({self.search_param: f"Use at most {LONGEST_SEARCH} characters."})
        return super().get_search_terms(request)

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """None for a list that cannot be searched."""
        if not getattr(view, "search_fields", None):
            return []
        (parameter,) = super().get_schema_operation_parameters(view)
        schema = {**parameter["schema"], "maxLength": LONGEST_SEARCH, "pattern": r"^[^\u0000]*$"}
        return [{**parameter, "schema": schema}]


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
                raise ValidationError({self.ordering_param: f"“{term[:50]}” is none of {names}."})
        ordering = asked or list(self.get_default_ordering(view) or [])
        return ordering if {"id", "-id"} & set(ordering) else [*ordering, "-id"]

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """With the fields that one can order by."""
        (parameter,) = super().get_schema_operation_parameters(view)
        names = "|".join(name for name, _ in self.get_valid_fields(view.queryset, view))
        schema = {"type": "string", "pattern": f"^(-?({names})(,-?({names}))*)?$"}
        return [{**parameter, "schema": schema}]
