"""What can be wrong with the settings of `make run`, found before anything is started."""

import errno
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from launcher import ports
from launcher.errors import (
    AddressInvalidError,
    AddressUnreachableError,
    PortForbiddenError,
    PortInvalidError,
    PortTakenError,
)

SHAPES = {
    "DATABASE_URL": ("postgresql://user:password@host:5432/database", ("postgresql", "postgres"), 5432),
    "REDIS_URL": ("redis://:password@host:6379/0", ("redis", "rediss"), 6379),
}
PATIENCE = 4.0


def read_port(environ: Mapping[str, str]) -> int:
    value = environ.get("PORT") or "8000"
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 65535):
        raise PortInvalidError(value=value)
    return int(value)


def check_port(port: int) -> None:
    trouble = ports.problem(port)
    if not trouble:
        return
    nearby = (candidate for candidate in range(max(port, 1024) + 1, 65536) if ports.is_free(candidate))
    facts = {"port": port, "other": next(nearby, 8000)}
    raise PortForbiddenError(**facts) if trouble in (errno.EACCES, errno.EPERM) else PortTakenError(**facts)


def check_address(variable: str, url: str) -> None:
    """Form, and whether anything listens there. Never shows the URL itself: it holds a password.

    Several hosts, or a directory of a Unix socket, are left to those who connect.
    """
    shape, schemes, default_port = SHAPES[variable]
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or default_port
    except ValueError:
        if "," in url.rpartition("@")[2]:
            return
        raise AddressInvalidError(variable=variable, shape=shape, why="its host or port cannot be read") from None
    if parts.scheme not in schemes:
        raise AddressInvalidError(variable=variable, shape=shape, why=f"it begins with {parts.scheme or 'no scheme'!r}")
    if variable == "REDIS_URL" and not host:
        raise AddressInvalidError(variable=variable, shape=shape, why="it names no host")
    if host and "," not in parts.netloc and not host.startswith("%2f"):
        _reach(variable, host, port)


def _reach(variable: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=PATIENCE).close()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise AddressUnreachableError(variable=variable, place=f"{host}:{port}", why=why) from None
