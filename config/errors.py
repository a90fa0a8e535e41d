"""What fails outside a view: a problem for the API, a page for people."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from config.problems import is_api, problem_page


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return (
        problem_page(400, "The request cannot be understood.")
        if is_api(request)
        else defaults.bad_request(request, exception)
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return (
        problem_page(403, "This is not for you.") if is_api(request) else defaults.permission_denied(request, exception)
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return (
        problem_page(404, "There is nothing here.") if is_api(request) else defaults.page_not_found(request, exception)
    )


def server_error(request: HttpRequest, *args: Any) -> HttpResponse:
    return (
        problem_page(500, "Something broke on our side; the log has it.")
        if is_api(request)
        else defaults.server_error(request)
    )
