"""`Authorization: Bearer tk_…`"""

from django.contrib.auth.models import User
from django.utils.translation import gettext
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import services
from accounts.models import Token
from languages.choosing import speak_to


class BearerAuthentication(BaseAuthentication):
    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        """Who the token belongs to; None when the header is absent or of another scheme."""
        scheme, _, text = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        token = services.find_token(text.strip())
        if token is None:
            raise AuthenticationFailed(gettext("This token is malformed, unknown, expired or revoked."))
        services.record_token_use(token)
        speak_to(request._request, token.language, is_api=True)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return self.keyword
