"""The language that a request is answered in; languages/choosing.py has the rule."""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers

from accounts.models import Preference
from config.problems import is_api
from languages.choosing import accept_language, accepted, is_choice, language_for, speak_to

GetResponse = Callable[[HttpRequest], HttpResponseBase]

PROBES = ("/healthz", "/readyz", "/metrics")
"""Nobody reads what they say, and they are to answer while the database does not."""

TEXT = re.compile(r"text/|application/(problem\+)?json")


class LanguageMiddleware:
    """Answers in the language that the request asks for, until more is known of who asks.

    Before whatever may refuse a request, so that a refusal speaks it, too. Afterwards the thread speaks what it spoke
    before.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_choice():
            return with_language(self.get_response(request))
        with translation.override(language_for(accept_language(request), "", is_api=is_api(request))):
            return with_language(self.get_response(request))


class PersonsLanguageMiddleware:
    """Answers a signed-in person in the language that they have chosen, for one statement where there is a choice.

    Behind authentication. Those who come with a token are known later, and then their choice is known, too
    (accounts/authentication.py).
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_choice():
            return self.get_response(request)
        if is_choice_of_person(request) and request.user.is_authenticated:
            speak_to(request, Preference.language_of(request.user), is_api=is_api(request))
        response = self.get_response(request)
        patch_vary_headers(response, ["Cookie"])
        return response


def is_choice_of_person(request: HttpRequest) -> bool:
    """Whether what the person has chosen could matter. Asked first, since it costs no statement."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or request.path.startswith(PROBES):
        return False
    return not (is_api(request) and ("Authorization" in request.headers or accepted(accept_language(request))))


def with_language(response: HttpResponseBase) -> HttpResponseBase:
    """The response, with a word on its language if it is a text of ours. Files are somebody else's words."""
    if TEXT.match(response.headers.get("Content-Type", "")) and not response.has_header("Content-Disposition"):
        response.headers.setdefault("Content-Language", translation.get_language() or settings.LANGUAGE_CODE)
        if is_choice():
            patch_vary_headers(response, ["Accept-Language"])
    return response
