"""Errors of the API in one shape, RFC 9457 problem JSON; and a parser that has no surprises.

    {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "…",
     "errors": [{"field": "due_at", "detail": "…", "code": "naive"}]}

`errors` names each field; `field` is a path such as `tags.3`, and empty for what concerns the whole.
"""

import codecs
import json
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from typing import IO, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext, gettext_lazy
from rest_framework import exceptions
from rest_framework.exceptions import APIException, ErrorDetail, ParseError
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.json import strict_constant
from rest_framework.views import exception_handler

PROBLEM = "application/problem+json"
DEEPEST = 50
TOO_DEEP = gettext_lazy("The JSON is nested too deeply.")
LONGEST_NAME = 100
LONGEST_DETAIL = 500
"""A message may quote what was sent, which may be megabytes."""


class StrictJSONParser(JSONParser):
    """JSON as RFC 8259 has it: in UTF-8, nested to a sane depth, without lone surrogates in names or values.

    A name that an object has twice is refused: all but the last value would be dropped without a word.
    """

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            data = json.load(
                codecs.getreader("utf-8")(stream), parse_constant=strict_constant, object_pairs_hook=without_repetition
            )
        except RecursionError as error:
            raise ParseError(TOO_DEEP) from error
        except ValueError as error:
            raise ParseError(gettext("JSON parse error: %(error)s") % {"error": error}) from error
        check_content(data)
        return data


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = Counter(name for name, _ in pairs)
        name = names.most_common(1)[0][0][:LONGEST_NAME].encode(errors="replace").decode()
        raise ParseError(gettext("The JSON has “%(name)s” twice in one object.") % {"name": name})
    return found


def check_content(data: Any) -> None:
    """Look through parsed JSON level by level, since what is deep would break whoever goes into it later."""
    level = [data]
    for _ in range(DEEPEST):
        if not level:
            return
        if any(isinstance(value, str) and has_surrogate(value) for value in level):
            raise ParseError(gettext("The JSON holds half a surrogate pair (\\ud800 to \\udfff), which is not text."))
        level = [inner for value in level for inner in parts_of(value)]
    raise ParseError(TOO_DEEP)


def has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def parts_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER: its response with a problem for a body; None (a 500) for what is not an APIException."""
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    assert isinstance(error, APIException)  # noqa: S101 (what DRF's own handler answers is one of the three)
    errors = list(flatten(error.detail))
    if len(errors) == 1 and not errors[0]["field"]:
        response.data = problem(response.status_code, errors[0]["detail"])
    else:
        response.data = problem(response.status_code, gettext("See the errors of each field."), errors)
    if not is_page(context["request"]):
        response.content_type = PROBLEM
    return response


def is_page(request: Request) -> bool:
    """Whether the answer will be HTML, for a browser. Undecided when the error is that no format fits: JSON then."""
    return isinstance(getattr(request, "accepted_renderer", None), BrowsableAPIRenderer)


def flatten(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    """DRF's nested lists and dicts of errors, as one list with a path to each field."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            name = "" if name == "non_field_errors" else str(name)
            yield from flatten(inner, f"{path}.{name}".strip("."))
    elif isinstance(detail, list):
        for inner in detail:
            yield from flatten(inner, path)
    else:
        code = detail.code if isinstance(detail, ErrorDetail) else "invalid"
        yield {"field": path, "detail": str(detail)[:LONGEST_DETAIL], "code": str(code)}


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
    }  # fmt: skip
    return {**body, "errors": errors} if errors else body


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def problem_page(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> JsonResponse:
    """A problem for what fails outside a view of the API: unknown paths, over-long bodies, defects."""
    return JsonResponse(problem(status, detail, errors), status=status, content_type=PROBLEM)
