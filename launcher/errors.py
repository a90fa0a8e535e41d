"""Everything that can go wrong because of the machine or its settings.

The docstring is the message: one sentence for the person at the terminal, which says what to do. Facts are
filled in by name.
"""

import errno


class LauncherError(Exception):
    """Something went wrong: {why}"""

    def __init__(self, **facts: object) -> None:
        super().__init__(" ".join((self.__doc__ or "").split()).format(**facts))


class VenvMissingError(LauncherError):
    """{python} comes without its venv module: install it (Debian and Ubuntu: apt install python3-venv) and
    try again."""


class VenvFailedError(LauncherError):
    """The virtual environment could not be made ({why}): see {log}."""


class NoNetworkError(LauncherError):
    """The packages could not be downloaded: check the network (or pip's index and proxy settings) and try
    again; pip's own words are in {log}."""


class InstallFailedError(LauncherError):
    """pip could not install {what} ({why}): its output is in {log}."""


class DiskFullError(LauncherError):
    """The disk is full: make room where {place} lies and try again."""


class PlaceUnusableError(LauncherError):
    """{place} cannot be used ({why}): make it writable for this user{otherwise}."""


class ProgramMissingError(LauncherError):
    """No {program} was found, neither in .venv nor on the PATH: install it, or point {variable} at a running
    server."""


class RootRefusedError(LauncherError):
    """PostgreSQL does not run as root, and no other user can reach {place}: use an ordinary user, choose
    another DATA_DIR, or set DATABASE_URL."""


class WrongVersionError(LauncherError):
    """{place} was made by PostgreSQL {theirs} and this is {ours}: move it away to begin anew, or set
    DATABASE_URL."""


class ServerFailedError(LauncherError):
    """{server} did not start ({why}): its output is in {log}."""


class ServersLateError(LauncherError):
    """The embedded servers were not ready after {seconds:.0f} s: see the files in {log}, then try again."""


class KeeperFailedError(LauncherError):
    """{sentence}"""


class PortInvalidError(LauncherError):
    """PORT must be a number from 1 to 65535, not {value!r}."""


class PortTakenError(LauncherError):
    """Port {port} is taken by another program: choose another with PORT={other} make run."""


class PortForbiddenError(LauncherError):
    """Port {port} may not be used by this user: choose another with PORT={other} make run."""


class AddressInvalidError(LauncherError):
    """{variable} must look like {shape} ({why})."""


class AddressUnreachableError(LauncherError):
    """{variable} points at {place}, where nothing can be reached ({why}): start that server, correct
    {variable}, or unset it to use the embedded one."""


class AlreadyRunningError(LauncherError):
    """Taskapp already runs with the data in {place} (process {pid}, port {port}): stop that one first, or
    start a second one with its own DATA_DIR and PORT."""


class CatalogueBrokenError(LauncherError):
    """A translation could not be compiled: {sentence}"""


class PrepareFailedError(LauncherError):
    """The database could not be prepared (manage.py prepare ended with {code}): what it said is above."""


def from_os_error(error: OSError, place: object, otherwise: str = ", or set DATA_DIR to another") -> LauncherError:
    """What a failed write or open means for the person who started us."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(place=place)
    return PlaceUnusableError(place=place, why=error.strerror or error, otherwise=otherwise)
