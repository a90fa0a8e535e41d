"""Serializers of the API that refuse what they do not know, so that a misspelt field is not dropped without a word.

A field that is only read is known: what GET gave can be sent back as it is.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from django.db.models import Model
from django.utils.translation import gettext
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils import html

M = TypeVar("M", bound=Model)

MOST_NAMED = 20
LONGEST_NAME = 100
"""Of an unknown field: a body may have megabytes of them."""

OF_A_FORM = {"csrfmiddlewaretoken"}
"""What a browser sends along with a form."""


class Strict(serializers.Serializer[Any]):
    """Refuses unknown fields by name, along with whatever else is wrong."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = self._unknown_in(data) if isinstance(data, Mapping) else {}
        if not unknown:
            return super().to_internal_value(data)
        try:
            super().to_internal_value(data)
        except serializers.ValidationError as error:
            unknown = {**error.detail, **unknown} if isinstance(error.detail, dict) else unknown
        raise serializers.ValidationError(unknown)

    def _unknown_in(self, data: Mapping[str, Any]) -> dict[str, Any]:
        known = self.fields.keys() | (OF_A_FORM if html.is_html_input(data) else set())
        unknown = [name for name in data if name not in known][:MOST_NAMED]
        if not unknown:
            return {}
        written = [name for name, field in self.fields.items() if not field.read_only]
        names = [name[:LONGEST_NAME] for name in unknown]
        return {name: [serializers.ErrorDetail(what_is_unknown(name, written), "unknown")] for name in names}


class StrictSerializer(Strict, serializers.Serializer[Any]):
    pass


class StrictModelSerializer(Strict, serializers.ModelSerializer[M]):
    pass


class EmptySerializer(StrictSerializer):
    """The body of a request that says everything by its address."""


def refuse_query(request: Request, *known: str) -> None:
    """ValidationError if the address has parameters that nobody reads."""
    if unknown := set(request.query_params) - {*known, "format"}:
        names = sorted(name[:LONGEST_NAME] for name in unknown)[:MOST_NAMED]
        raise serializers.ValidationError(dict.fromkeys(names, gettext("There is no such parameter.")))


def refuse_body(request: Request) -> None:
    """ValidationError if something was sent where the path says all. No body is as good as an empty one."""
    refuse_query(request)
    EmptySerializer(data={} if request.data is None else request.data).is_valid(raise_exception=True)


def what_is_unknown(name: str, known: Collection[str]) -> str:
    if found := nearest(name, known):
        return gettext("There is no field “%(name)s”. Do you mean “%(nearest)s”?") % {"name": name, "nearest": found}
    if not known:
        return gettext("There is no field “%(name)s”: this takes none.") % {"name": name}
    return gettext("There is no field “%(name)s”. There are: %(names)s.") % {"name": name, "names": ", ".join(known)}


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, whatever its case and its hyphens; None if none is like it."""
    plain = {squeezed(each): each for each in known}
    found = get_close_matches(squeezed(name), plain, n=1)
    return plain[found[0]] if found else None


def squeezed(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())
