"""Who may do over the API what is for staff: those who may do it in the admin."""

from collections.abc import Collection
from typing import Any, cast

from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import User
from django.db.models import Model
from django.utils.translation import gettext
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request

VERBS = {"GET": ["view", "change"], "HEAD": ["view", "change"], "OPTIONS": ["view", "change"], "DELETE": ["delete"]}
"""Any of them will do: as in the admin, who may change may look. Whatever else is a change."""

CREATE = ["add"]


def may(user: User, model: type[Model], verbs: Collection[str]) -> bool:
    """Whether this is staff with the permission to do one of these with rows of the model."""
    return user.is_staff and any(user.has_perm(name) for name in names_of(model, verbs))


def names_of(model: type[Model], verbs: Collection[str]) -> list[str]:
    return [f"{model._meta.app_label}.{get_permission_codename(verb, model._meta)}" for verb in verbs]


class AsInTheAdmin(IsAdminUser):
    """Staff who have the permission that the admin asks for: view, add, change or delete.

    The model is that of the view's queryset. Which permission an action needs follows from its method, unless the view
    says otherwise in `verbs`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not super().has_permission(request, view):
            return False
        model, verbs = view.queryset.model, verbs_of(request, view)
        name = names_of(model, verbs)[0]
        self.message = gettext("You need the permission %(name)s.") % {"name": name}
        return may(cast(User, request.user), model, verbs)


def verbs_of(request: Request, view: Any) -> list[str]:
    default = CREATE if view.action == "create" else VERBS.get(str(request.method), ["change"])
    found: dict[str, list[str]] = getattr(view, "verbs", {})
    return found.get(view.action, default)
