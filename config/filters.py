"""Filters that refuse what they do not know, so that a misspelt one does not quietly return everything."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request
from rest_framework.views import APIView

OF_THE_LIST = {"page", "page_size", "search", "ordering", "format"}


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]
    """django-filter, and 400 for a parameter that is no filter."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> Any:
        filterset = self.get_filterset(request, queryset, view)
        known = OF_THE_LIST | set(filterset.filters if filterset else ())
        for name in request.query_params:
            if view.action == "list" and name not in known:  # type: ignore[attr-defined]
                raise ValidationError({name: "There is no such filter."})
        return super().filter_queryset(request, queryset, view)


class StrictOrderingFilter(OrderingFilter):
    """?ordering= by known fields only, and always a total order, so that pages neither repeat nor skip a row."""

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> Any:
        asked = [term.strip() for term in request.query_params.get(self.ordering_param, "").split(",") if term.strip()]
        allowed = {name for name, _ in self.get_valid_fields(queryset, view)}
        for term in asked:
            if term.removeprefix("-") not in allowed:
                raise ValidationError({"ordering": f"“{term[:50]}” is none of {', '.join(sorted(allowed))}."})
        ordering = asked or list(self.get_default_ordering(view) or [])
        return ordering if {"id", "-id"} & set(ordering) else [*ordering, "-id"]
