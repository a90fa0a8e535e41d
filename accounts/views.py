"""The pages of an account: sign-in, preferences, tokens, unsubscribing."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from accounts import services
from accounts.client import client_address
from accounts.errors import TooManyAttemptsError
from accounts.forms import (
    PasswordResetForm,
    PreferencesForm,
    ThrottledAuthenticationForm,
    TokenForm,
    with_throttled_status,
)
from accounts.models import Preference, Token
from accounts.throttle import admit_attempt, pair_key
from accounts.unsubscribe import find_subscriber
from languages.choosing import speak_to


class SignInView(auth_views.LoginView):
    template_name = "accounts/login.html"
    authentication_form = ThrottledAuthenticationForm

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        return with_throttled_status(super().form_invalid(form), form)


class PasswordResetView(auth_views.PasswordResetView):
    """Its mail links to PUBLIC_URL, not to the host that the request claims to be for."""

    form_class = PasswordResetForm
    template_name = "accounts/password_reset.html"
    email_template_name = "accounts/password_reset_email.txt"
    subject_template_name = "accounts/password_reset_subject.txt"

    def form_valid(self, form: Any) -> HttpResponse:
        """Counted like an attempt to sign in, so that nobody can fill a mailbox with these."""
        try:
            address = client_address(self.request)
            admit_attempt(pair_key(f"reset {form.cleaned_data['email']}", address))
        except TooManyAttemptsError as error:
            form.retry_after = error.retry_after
            form.add_error(None, gettext("Too many mails for this address. Wait a minute, then try again."))
            return with_throttled_status(self.form_invalid(form), form)
        self.extra_email_context = {"public_url": settings.PUBLIC_URL}
        return super().form_valid(form)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    form = preferences_form(request)
    if form.is_valid():
        services.update_profile(cast(User, request.user), **form.cleaned_data)
        speak_to(request, form.cleaned_data.get("language", ""), is_api=False)  # the message is read on the next page
        messages.success(request, gettext("Your preferences are saved."))
        return redirect("preferences")
    return preferences_page(request, form=form)


@login_required
@never_cache
@require_POST
def create_token(request: HttpRequest) -> HttpResponse:
    """Answers with the page itself, not a redirect: what is shown once must not be kept anywhere."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return preferences_page(request, token_form=form)
    token, text = services.create_token(cast(User, request.user), name=form.cleaned_data["name"])
    return preferences_page(request, new_token=token, new_token_text=text)


@login_required
@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(Token.objects.owned_by(request.user), pk=pk)
    services.revoke_token(token)
    messages.success(request, gettext("%(token)s is revoked.") % {"token": token})
    return redirect("preferences")


def preferences_form(request: HttpRequest, *, filled_in: bool = True) -> PreferencesForm:
    """The form with what the person sent, or else with what is stored."""
    user = cast(User, request.user)
    chosen = Preference.of(user)
    stored = {
        "first_name": user.first_name,
        "last_name": user.last_name,
        "timezone": chosen.timezone,
        "email_enabled": chosen.email_enabled,
        "language": chosen.language,
    }
    data = request.POST if filled_in and request.method == "POST" else None
    return PreferencesForm(data, initial=stored)


def preferences_page(request: HttpRequest, **context: Any) -> HttpResponse:
    """The page with its two forms, of which the caller may bring one filled in."""
    user = cast(User, request.user)
    defaults = {
        "form": context.get("form") or preferences_form(request, filled_in=False),
        "token_form": TokenForm(),
        "tokens": Token.objects.owned_by(user),
        "zone": Preference.zone_of(user),
    }
    return render(request, "accounts/preferences.html", {**defaults, **context})


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, signed: str) -> HttpResponse:
    """The switch for mail, without signing in.

    A GET only shows it, since mail scanners follow links. A POST turns it: from the page, or as RFC 8058 says
    from the mail program, which sends no cookie; hence no CSRF check. The signature stands in for both.
    """
    user = find_subscriber(signed)
    if user is None:
        raise Http404("This link is not one of ours, or is damaged.")
    if request.method == "POST":
        services.update_profile(user, email_enabled="subscribe" in request.POST)
    context = {"person": user, "email_enabled": Preference.of(user).email_enabled}
    return render(request, "accounts/unsubscribe.html", context)
