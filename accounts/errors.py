"""What can be wrong with an attempt to sign in. The docstring is the message; the edges make it HTTP."""

from django.utils.translation import gettext


class TooManyAttemptsError(Exception):
    """Too many attempts to sign in with this name. Wait a minute, then try again."""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after
        """Seconds until the next attempt is let through."""

    def __str__(self) -> str:
        return gettext(str(self.__doc__))
