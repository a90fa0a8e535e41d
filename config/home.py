"""The front page: what this is, whether it is healthy, and the ways in."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.health import report


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    parts = report()
    return render(request, "home.html", {"parts": parts, "healthy": all(part.ok for part in parts)})
