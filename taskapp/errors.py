"""What can be wrong with a request about tasks. The docstring is the message; config/problems.py makes it HTTP."""


class TaskError(Exception):
    def __str__(self) -> str:
        return str(self.__doc__)


class KeyReused(TaskError):
    """This Idempotency-Key was used before with other content; use a new key for a new task."""


class TaskChanged(TaskError):
    """The task has changed since the version that If-Match names; fetch it again and repeat the change."""
