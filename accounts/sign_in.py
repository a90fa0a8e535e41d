"""The one place where a password is checked: for the pages, the admin and the API."""

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from accounts.client import client_address
from accounts.throttle import admit_attempt, forget_attempts, pair_key


@sensitive_variables("password")
def check_credentials(request: HttpRequest | None, *, username: str, password: str) -> User | None:
    """The active user with this name and password, or None. Raises TooManyAttemptsError.

    An unknown name takes as long as a wrong password: Django hashes for it too.
    """
    key = pair_key(username, client_address(request) if request else "")
    admit_attempt(key)
    user = authenticate(request, username=User.normalize_username(username), password=password)
    if user is None:
        return None
    forget_attempts(key)
    return user if isinstance(user, User) else None
