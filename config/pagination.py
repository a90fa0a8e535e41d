"""Pages of the API's lists: {count, next, previous, results}."""

from typing import Any

from django.utils.translation import gettext, gettext_lazy
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class Pages(PageNumberPagination):
    """400 for a page number or size that is none, where DRF takes its own instead; 404 behind the last page."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    invalid_page_message = gettext_lazy("There is no page {page_number}.")  # type: ignore[assignment]  # as DRF's own

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except NotFound as error:
            raise NotFound({self.page_query_param: error.detail}) from error

    def get_page_number(self, request: Request, paginator: Any) -> int:
        return whole_number(request, self.page_query_param, default=1, largest=2**31 - 1)

    def get_page_size(self, request: Request) -> int:
        return whole_number(request, "page_size", default=self.page_size or 0, largest=self.max_page_size or 0)

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        largest = {self.page_query_param: 2**31 - 1, self.page_size_query_param: self.max_page_size}
        return [
            {**each, "schema": {"type": "integer", "minimum": 1, "maximum": largest[each["name"]]}}
            for each in super().get_schema_operation_parameters(view)
        ]


def whole_number(request: Request, name: str, *, default: int, largest: int) -> int:
    """The query parameter as a number from 1 to `largest`."""
    text = request.query_params.get(name, str(default))
    number = int(text) if text.isdecimal() and len(text) <= len(str(largest)) else 0
    if not 1 <= number <= largest:
        raise ValidationError({name: gettext("This must be a whole number from 1 to %(most)s.") % {"most": largest}})
    return number
