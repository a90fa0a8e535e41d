"""What fails outside a view: a problem for the API, a page for people."""

import sys
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext
from django.views import defaults

from config.problems import is_api, problem_page

COME_AGAIN_SECONDS = 5


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return (
        problem_page(400, gettext("The request cannot be understood."))
        if is_api(request)
        else defaults.bad_request(request, exception)
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return (
        problem_page(403, gettext("This is not for you."))
        if is_api(request)
        else defaults.permission_denied(request, exception)
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return (
        problem_page(404, gettext("There is nothing here."))
        if is_api(request)
        else defaults.page_not_found(request, exception)
    )


def server_error(request: HttpRequest, *args: Any) -> HttpResponse:
    """Django calls this while it handles the error."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        return database_away(request)
    return (
        problem_page(500, gettext("Something broke on our side; the log has it."))
        if is_api(request)
        else defaults.server_error(request)
    )


def database_away(request: HttpRequest) -> HttpResponse:
    """The connection was lost or not to be had, or somebody else's lock was waited for too long."""
    response = (
        problem_page(
            503,
            gettext(
                "The database does not answer. Try again in a moment; nobody knows whether this request was carried "
                "out, so look first, or repeat it with its Idempotency-Key."
            ),
        )
        if is_api(request)
        else HttpResponse(render_to_string("503.html"), status=503)
    )
    response["Retry-After"] = str(COME_AGAIN_SECONDS)
    return response
