"""Django's admin site, whose sign-in counts the attempts like every other."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.forms import ThrottledAdminAuthenticationForm, with_throttled_status


class ThrottledAdminSite(admin.AdminSite):
    login_form = ThrottledAdminAuthenticationForm

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().login(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data:
            return with_throttled_status(response, response.context_data.get("form"))
        return response
