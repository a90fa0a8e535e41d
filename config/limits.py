"""What a request may bring with it."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from config.problems import is_api, problem_page


class BodyLimitMiddleware:
    """Answers 413 to a body over MAX_BODY_BYTES, before anything reads it.

    A body without a length is not read at all: Django takes it for empty.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) <= settings.MAX_BODY_BYTES:
            return self.get_response(request)
        text = f"The body is larger than {settings.MAX_BODY_BYTES // 2**20} MB."
        return problem_page(413, text) if is_api(request) else HttpResponse(text, status=413, content_type="text/plain")
