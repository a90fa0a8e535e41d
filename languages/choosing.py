"""Which language somebody is answered in.

    page    what the person has chosen, else Accept-Language, else English
    API     Accept-Language, else what the person has chosen, else English
    mail    what the recipient has chosen, else English

A program that sends Accept-Language knows what it wants to show. A browser sends it unasked, so on a page the person's
own choice counts for more.
"""

from contextlib import AbstractContextManager, suppress

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header


def is_choice() -> bool:
    """Whether more than one language is offered. If not, nobody is asked and no row is read."""
    return len(settings.LANGUAGES) > 1


def is_offered(code: str) -> bool:
    return code in dict(settings.LANGUAGES)


def accepted(header: str) -> str:
    """The most wanted language of an Accept-Language that is offered; empty if there is none, whatever it holds.

    `*` names none: some programs send it unasked.
    """
    for name, quality in parse_accept_lang_header(header):
        if quality and name != "*":
            with suppress(LookupError):
                return translation.get_supported_language_variant(name)
    return ""


def language_for(header: str, chosen: str, *, is_api: bool) -> str:
    """The language of the answer to a request with this Accept-Language by a person with this choice.

    A choice that is not offered any more counts as none.
    """
    own = chosen if is_offered(chosen) else ""
    wishes = (accepted(header), own) if is_api else (own, accepted(header))
    return next(filter(None, wishes), settings.LANGUAGE_CODE)


def speak_to(request: HttpRequest, chosen: str, *, is_api: bool) -> None:
    """Answer this request in its language, now that the person's choice is known."""
    if is_choice():
        translation.activate(language_for(accept_language(request), chosen, is_api=is_api))


def accept_language(request: HttpRequest) -> str:
    return str(request.META.get("HTTP_ACCEPT_LANGUAGE", ""))


def speaking(chosen: str) -> AbstractContextManager[None]:
    """Within this, texts are in the chosen language, or in English if there is no choice or it is not offered."""
    return translation.override(chosen if is_offered(chosen) else settings.LANGUAGE_CODE)
