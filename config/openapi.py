"""What every operation of the API has in common in the schema: the problems it may answer with."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

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
    errors = FieldErrorSerializer(many=True, required=False)


EVERYWHERE = {
    400: "The request cannot be understood; `errors` names the fields.",
    401: "No credentials, or wrong ones.",
    403: "Not for you; or a session without its CSRF token.",
    404: "There is no such thing, or it is not yours.",
    405: "This method is not for this address.",
    406: "None of the formats in Accept is on offer.",
    412: "The task has changed since the version in If-Match.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key was used with other content.",
    429: "Too many attempts; Retry-After says when to come again.",
}


class ProblemAutoSchema(AutoSchema):
    def _get_response_bodies(self, direction: str = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for status, description in EVERYWHERE.items():
            response = OpenApiResponse(ProblemSerializer, description)
            bodies.setdefault(str(status), self._get_response_for_code(response, str(status), [PROBLEM]))
        return bodies
