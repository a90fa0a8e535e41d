"""Django's admin site, whose sign-in counts the attempts like every other, and which says its version."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.forms import ThrottledAdminAuthenticationForm, with_throttled_status


class ThrottledAdminSite(admin.AdminSite):
    login_form = ThrottledAdminAuthenticationForm
    site_footer: Callable[[], str] = str
    """What is shown at the foot of each page; given like `site_header`."""

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "site_footer": self.site_footer()}

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().login(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data:
            return with_throttled_status(response, response.context_data.get("form"))
        return response
