"""What drf-spectacular cannot see by itself of our authentication and fields.

The type: ignore comments stand where the library has no annotations.
"""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction

from accounts.validators import LINE, LINES


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearerAuth"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token from POST /api/v1/tokens/ or from the preferences page.",
        }


class PlainTextSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Tells the readers of the schema which characters are refused."""

    target_class = "accounts.fields.PlainTextField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        schema = basic_schema(self.target, auto_schema, direction)
        refused = LINES if self.target.multiline else LINE
        return {
            **schema,
            "pattern": f"^[^{refused}]+$",
        }  # where blank is allowed, it is added as an alternative


class TimezoneSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.fields.TimezoneField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        schema = basic_schema(self.target, auto_schema, direction)
        return {**schema, "examples": ["Europe/Berlin"]}


def basic_schema(field: Any, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
    """What is derived from the field's class and options alone."""
    schema = auto_schema._map_serializer_field(field, direction, bypass_extensions=True)  # type: ignore[no-untyped-call]
    return dict(schema)
