"""The forms of the pages, and the sign-in form of the admin."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import forms as auth_forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils import translation
from django.utils.translation import gettext, gettext_lazy

from accounts.errors import TooManyAttemptsError
from accounts.models import Preference
from accounts.sign_in import check_credentials
from accounts.validators import timezone_names, validate_address, validate_no_control_characters
from languages.choosing import is_choice, speaking
from mail.addresses import spellings


class ThrottledAuthenticationForm(AuthenticationForm):
    """Django's sign-in form over check_credentials, which counts the attempts."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    retry_after: int | None = None
    """Seconds to wait, when the attempt was refused unseen."""

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if username and password:
            try:
                self.user_cache = check_credentials(self.request, username=username, password=password)
            except TooManyAttemptsError as error:
                self.retry_after = error.retry_after
                raise ValidationError(str(error), code="throttled") from error
            if self.user_cache is None:
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data


class ThrottledAdminAuthenticationForm(ThrottledAuthenticationForm, AdminAuthenticationForm):
    """The same for the admin, which lets in staff alone."""


class AddressField(forms.CharField):
    """An address that mail can be sent to. Browsers refuse some of those in a field of their own kind for addresses."""

    default_validators = [validate_address]

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "email", "autocomplete": "email"})
        super().__init__(**{"widget": widget, "max_length": 254, **kwargs})


class PasswordResetForm(auth_forms.PasswordResetForm):
    """Django's, but each mail is in the language of the one who gets it, if they have chosen one."""

    email = AddressField(label=auth_forms.PasswordResetForm.base_fields["email"].label)

    def get_users(self, email: str) -> Iterable[User]:
        """By the address in each of its spellings, of which one is on file."""
        return {user for spelling in spellings(email) for user in super(PasswordResetForm, self).get_users(spelling)}

    def send_mail(
        self, subject_template_name: str, email_template_name: str, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> None:
        """Else in that of the request, which the recipient has probably made."""
        chosen = Preference.language_of(context["user"]) if is_choice() else ""
        with speaking(chosen or translation.get_language() or ""):
            super().send_mail(subject_template_name, email_template_name, context, *args, **kwargs)


def with_throttled_status(response: HttpResponse, form: Any) -> HttpResponse:
    """The answer as 429, if the form was refused for too many attempts."""
    retry_after = getattr(form, "retry_after", None)
    if retry_after:
        response.status_code = 429
        response["Retry-After"] = str(retry_after)
    return response


class PreferencesForm(forms.Form):
    first_name = forms.CharField(
        label=gettext_lazy("First name"), max_length=150, required=False, validators=[validate_no_control_characters],
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )  # fmt: skip
    last_name = forms.CharField(
        label=gettext_lazy("Last name"), max_length=150, required=False, validators=[validate_no_control_characters],
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )  # fmt: skip
    timezone = forms.ChoiceField(label=gettext_lazy("Time zone"), required=False, choices=lambda: timezone_choices())
    language = forms.ChoiceField(label=gettext_lazy("Language"), required=False, choices=lambda: language_choices())
    email_enabled = forms.BooleanField(label=gettext_lazy("Send me reminders by e-mail."), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Where one language is offered there is nothing to choose."""
        super().__init__(*args, **kwargs)
        if not is_choice():
            del self.fields["language"]


class TokenForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("What is the token for?"),
        max_length=100,
        required=False,
        validators=[validate_no_control_characters],
    )


def timezone_choices() -> list[tuple[str, str]]:
    own = [("", gettext("The service's own (%(zone)s)") % {"zone": settings.TIME_ZONE})]
    return own + [(name, name.replace("_", " ")) for name in sorted(timezone_names())]


def language_choices() -> list[tuple[str, str]]:
    """Each under its own name, which those can read who look for it."""
    return [("", gettext("The browser's, and English in mails")), *settings.LANGUAGES]
