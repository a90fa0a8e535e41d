"""What can be wrong with a request about tasks. The docstring is the message; the edges make it HTTP."""

from django.utils.translation import gettext


class TaskError(Exception):
    def __str__(self) -> str:
        return gettext(str(self.__doc__))


class KeyReusedError(TaskError):
    """This Idempotency-Key was used before with other content; use a new key for a new task."""


class TaskChangedError(TaskError):
    """The task has changed since the version that If-Match names; fetch it again and repeat the change."""


class DueDateOutOfRangeError(TaskError):
    """This must lie between the years 1900 and 9000."""


class TagExistsError(TaskError):
    """There is another tag of this name."""
