"""What can be wrong with a wish about attachments. The docstrings are what people read."""

from django.utils.translation import gettext


class AttachmentError(Exception):
    """The base of all of these."""

    def __str__(self) -> str:
        return str(self.args[0] if self.args else gettext(str(self.__doc__)))


class FileTooLargeError(AttachmentError):
    """The file is too large."""


class FileEmptyError(AttachmentError):
    """The file is empty."""


class TooManyAttachmentsError(AttachmentError):
    """The task has as many attachments as it can have; delete one first."""


class QuotaExceededError(AttachmentError):
    """There is not enough room left for this file."""


class StorageFailedError(AttachmentError):
    """The file could not be stored. Try again later."""


class TaskGoneError(AttachmentError):
    """The task was deleted meanwhile."""


class DiskFullError(StorageFailedError):
    """There is no room for another file on the server's disk. Try again later."""


class QuarantinedError(AttachmentError):
    """It is quarantined: only an administrator may delete or release it."""


class NotInThatStateError(AttachmentError):
    """It is not in a state in which this can be done."""


class ReasonMissingError(AttachmentError):
    """Say why: the reason is kept with the attachment."""
