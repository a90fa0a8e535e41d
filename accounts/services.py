"""What people do with their accounts. The API, the pages, the admin and the shell all call these."""

import re
import secrets
import string
from datetime import datetime
from hashlib import sha256

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from accounts.models import Preference, Token
from work.step import clock, in_

PREFIX_LENGTH = 8
TOKEN_FORM = re.compile(r"tk_([A-Za-z0-9]{8})_([A-Za-z0-9_-]{43})")


def create_token(user: User, *, name: str = "", expires_at: datetime | None = None) -> tuple[Token, str]:
    """Make a token; return its row and its text, which cannot be had again."""
    prefix = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(PREFIX_LENGTH))
    secret = secrets.token_urlsafe(32)
    token = Token.objects.create(user=user, name=name, prefix=prefix, digest=digest_of(secret), expires_at=expires_at)
    token.refresh_from_db(fields=["created_at"])
    return token, f"tk_{prefix}_{secret}"


def find_token(text: str) -> Token | None:
    """The token of this text with its user, if it opens the API now."""
    match = TOKEN_FORM.fullmatch(text)
    if match is None:
        return None
    prefix, secret = match.groups()
    token = Token.objects.usable_of(prefix)
    if token is None or not secrets.compare_digest(token.digest, digest_of(secret)):
        return None
    return token


def record_token_use(token: Token) -> None:
    """Note that the token was used, at most once a minute, so that a busy client does not rewrite its row."""
    if token.was_used_lately:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lt=in_(-Token.USE_NOTED_EVERY))
    Token.objects.filter(stale, pk=token.pk).update(last_used_at=clock())


def revoke_token(token: Token) -> None:
    token.delete()


def digest_of(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def update_profile(
    user: User,
    *,
    first_name: str | None = None,
    last_name: str | None = None,
    email_enabled: bool | None = None,
    timezone: str | None = None,
    language: str | None = None,
) -> None:
    """Change what is given of a person's name and preferences.

    An empty timezone is the service's own; an empty language, none that was chosen.
    """
    name = {"first_name": first_name, "last_name": last_name}
    preference = {"email_enabled": email_enabled, "timezone": timezone, "language": language}
    with transaction.atomic():
        if changed := {field: value for field, value in name.items() if value is not None}:
            User.objects.filter(pk=user.pk).update(**changed)
        if chosen := {field: value for field, value in preference.items() if value is not None}:
            Preference.objects.update_or_create(user=user, defaults=chosen)
