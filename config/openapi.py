"""What every operation of the API has in common in the schema: the search, and the problems it may answer with.

The type: ignore comments stand where drf-spectacular has no annotations, or others than its code.
"""

from typing import Any

from drf_spectacular.extensions import OpenApiFilterExtension, OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.permissions import IsAdminUser

from config.filters import LONGEST_SEARCH, can_be_searched
from config.problems import PROBLEM


class FieldErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(allow_blank=True)
    detail = serializers.CharField()
    code = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]


DESCRIPTIONS = {
    400: "The request cannot be understood; `errors` names the fields.",
    401: "No credentials, or wrong ones.",
    403: "Not for you; or a session without its CSRF token.",
    404: "There is no such thing, or it is not yours.",
    406: "None of the formats in Accept is on offer.",
    409: "It is not in a state in which this can be done.",
    412: "It has changed since the version in If-Match.",
    413: "The body is too large.",
    415: "The body is not of a type that is taken here.",
    416: "Nothing of the file lies in the range.",
    422: "The Idempotency-Key was used with other content.",
    429: "Too many attempts; Retry-After says when to come again.",
    503: "The database, or the storage of files, does not answer; try again later.",
}


class ProblemAutoSchema(AutoSchema):
    """Adds to each operation the problems that it may answer with."""

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for status in sorted(self.problems() | {int(code) for code in bodies if code >= "400"}):
            response = OpenApiResponse(ProblemSerializer, DESCRIPTIONS[status])
            bodies[str(status)] = self._get_response_for_code(response, str(status), [PROBLEM])  # type: ignore[no-untyped-call]
        return dict(sorted(bodies.items()))

    def problems(self) -> set[int]:
        """What can go wrong besides what the view itself names."""
        found = {400, 401, 406, 503}
        is_sign_in = self.get_auth() == []
        if is_sign_in:
            found |= {429}
        elif self.method != "GET" or self.is_for_staff():
            found |= {403}
        if "{" in self.path or self._is_list_view():
            found |= {404}  # for a list: behind its last page
        if self.method in {"POST", "PUT", "PATCH"}:  # one without a body is refused if it has one
            found |= {413, 415}
        return found

    def is_for_staff(self) -> bool:
        return any(isinstance(each, type) and issubclass(each, IsAdminUser) for each in self.view.permission_classes)


class StrictSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Serializers that refuse unknown fields say so."""

    target_class = "edges.unknown_fields.Strict"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> Any:
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # type: ignore[no-untyped-call]
        return {**schema, "additionalProperties": False}


class SearchSchema(OpenApiFilterExtension):  # type: ignore[no-untyped-call]
    """What drf-spectacular cannot see: how long a search may be, and which lists have none."""

    target_class = "rest_framework.filters.SearchFilter"

    def get_schema_operation_parameters(self, auto_schema: AutoSchema, *args: Any, **kwargs: Any) -> Any:
        if not can_be_searched(auto_schema.view):
            return []
        (parameter,) = self.target.get_schema_operation_parameters(auto_schema.view)
        schema = {"type": "string", "maxLength": LONGEST_SEARCH, "pattern": r"^[^\u0000]*$"}
        return [{**parameter, "schema": schema}]
