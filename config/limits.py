"""What a request may bring with it."""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.utils.translation import gettext

from config.errors import not_found
from config.problems import is_api, problem_page

TAKES_FILES = re.compile(r"/api/v1/tasks/\d+/attachments/|/tasks/\d+/|/admin/attachments/attachment/add/")


class LimitsMiddleware:
    """Answers to what no view should meet, before anything reads it.

    A body over MAX_BODY_BYTES is 413, or a form with files over MAX_UPLOAD_BYTES; one without a length is not read at
    all, since Django takes it for empty.
    NUL, which PostgreSQL cannot store and a query therefore cannot ask for, is 404 in a path and 400 in a query
    or a cookie.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        most = most_bytes(request)
        if has_longer_body(request, most):
            text = gettext("The body is larger than %(most)s MB.") % {"most": most // 2**20}
            return refusal(request, 413, text)
        if "\0" in request.path:
            return not_found(request, Http404())
        for name, values in [*request.GET.lists(), *((name, [text]) for name, text in request.COOKIES.items())]:
            if any("\0" in text for text in (name, *values)):
                return refusal(request, 400, gettext("NUL characters are not allowed."), field=name.replace("\0", ""))
        return self.get_response(request)


class SafeRedirectMiddleware(CommonMiddleware):
    """Adds a missing slash for GET alone: a client that is redirected from a POST goes on with a GET, and loses it."""

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return request.method in {"GET", "HEAD"} and super().should_redirect_with_slash(request)


def most_bytes(request: HttpRequest) -> int:
    has_files = request.content_type == "multipart/form-data" and TAKES_FILES.fullmatch(request.path)
    return settings.MAX_UPLOAD_BYTES if has_files else settings.MAX_BODY_BYTES


def has_longer_body(request: HttpRequest, most: int) -> bool:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return length.isdecimal() and (len(length) > len(str(most)) or int(length) > most)


def refusal(request: HttpRequest, status: int, text: str, *, field: str = "") -> HttpResponse:
    if is_api(request):
        return problem_page(status, text, [{"field": field, "detail": text, "code": "invalid"}] if field else None)
    return HttpResponse(text, status=status, content_type="text/plain")
