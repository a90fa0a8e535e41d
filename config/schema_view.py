"""The OpenAPI document. Not in config/openapi.py, which the library's own views import."""

from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request


class SchemaView(SpectacularAPIView):
    """The library's `?lang=` takes any text, and Django keeps a catalogue in memory for each that it has met."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        return self._get_schema_response(request)  # type: ignore[no-untyped-call]
