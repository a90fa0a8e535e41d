"""What fails outside a view: a problem for the API, a page for people."""

import sys
from typing import Any

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext
from django.views import defaults

from config.problems import is_api, problem_page

COME_AGAIN_SECONDS = 5

OF_DJANGOS_SESSIONS = (UpdateError, SessionInterrupted)
"""Django raises them for any error of the database, without saying from which."""


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Also what Django makes of a session that the database did not take, SessionInterrupted."""
    if is_the_databases(exception):
        return database_away(request)
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
    if is_the_databases(sys.exc_info()[1]):
        return database_away(request)
    return (
        problem_page(500, gettext("Something broke on our side; the log has it."))
        if is_api(request)
        else defaults.server_error(request)
    )


def is_the_databases(error: BaseException | None) -> bool:
    """Whether it, or what it was raised from, says that PostgreSQL is away, or in a state in which it cannot do what is
    asked (config/postgresql/states.py). What is raised while such an error is handled is a defect of the handler.
    """
    while error is not None:
        if isinstance(error, (OperationalError, InterfaceError)):
            return True
        error = error.__context__ if isinstance(error, OF_DJANGOS_SESSIONS) else error.__cause__
    return False


def database_away(request: HttpRequest) -> HttpResponse:
    """Nobody knows of the request what became of it: its commit may have been heard."""
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
