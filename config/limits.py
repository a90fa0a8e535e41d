"""What a request may bring with it."""

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.utils.translation import gettext

from config.body_limits import most_bytes
from config.errors import COME_AGAIN_SECONDS, not_found
from config.problems import is_api, problem_page
from webserver.responses import REFUSED_WITH


class LimitsMiddleware:
    """Answers to what no view should meet, before anything reads it.

    A body over MAX_BODY_BYTES is 413, or a form with files over MAX_UPLOAD_BYTES, and a compressed one 415. The web
    server tells the length of a body that came in chunks. Django takes one without a length for empty, so behind
    another server, which may not tell it, that is 411: nothing is acknowledged that was not read.
    NUL, which PostgreSQL cannot store and a query therefore cannot ask for, is 404 in a path and 400 in a query
    or a cookie.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if refused := refused_body(request):
            return refused
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


def refused_body(request: HttpRequest) -> HttpResponse | None:
    """The answer to a body that is not taken."""
    refused_with = request.META.get(REFUSED_WITH)
    most = most_bytes(request.path, request.META.get("CONTENT_TYPE", ""))
    if refused_with == 413 or has_longer_body(request, most):
        return refusal(request, 413, gettext("The body is larger than %(most)s MB.") % {"most": most // 2**20})
    if refused_with:
        response = refusal(request, refused_with, gettext("There is no room for the body now. Try again later."))
        response["Retry-After"] = str(COME_AGAIN_SECONDS)
        return response
    if request.headers.get("Transfer-Encoding") and not request.META.get("CONTENT_LENGTH"):
        return refusal(request, 411, gettext("Send a Content-Length: a body without one is not read."))
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        response = refusal(request, 415, gettext("Send the body without a Content-Encoding: none is decoded."))
        response["Accept-Encoding"] = "identity"
        return response
    return None


def has_longer_body(request: HttpRequest, most: int) -> bool:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return length.isdecimal() and (len(length) > len(str(most)) or int(length) > most)


def refusal(request: HttpRequest, status: int, text: str, *, field: str = "") -> HttpResponse:
    if is_api(request):
        return problem_page(status, text, [{"field": field, "detail": text, "code": "invalid"}] if field else None)
    return HttpResponse(text, status=status, content_type="text/plain")
