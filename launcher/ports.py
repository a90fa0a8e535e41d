"""TCP ports of the loopback address."""

import errno
import random
import socket

LOOPBACK = "127.0.0.1"
# Below where the kernels of Linux (32768) and macOS (49152) take ports for outgoing connections: those would
# sit on a port that we want back after a restart.
PRIVATE = range(15000, 30000)


def problem(port: int) -> int:
    """The errno that a server would meet on this port; 0: it is free. Something that answers is there even
    where binding beside it would work (macOS, a wildcard listener)."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((LOOPBACK, port)) == 0:
            return errno.EADDRINUSE
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            return error.errno or errno.EADDRINUSE
    return 0


def is_free(port: int) -> bool:
    return problem(port) == 0


def pick() -> int:
    """A free port at random, so that two checkouts that start at once do not want the same one."""
    for port in random.sample(PRIVATE, 50):
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        chosen: int = probe.getsockname()[1]
        return chosen
