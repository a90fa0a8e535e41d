"""The embedded Valkey (or the machine's own valkey-server or redis-server): `DATA_DIR/valkey`.

Durable enough for a doorbell: what was written more than a second ago survives any crash. The password stands
in the configuration file, for a command line can be read by everybody.
"""

import secrets
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from launcher import binaries
from launcher.bulletin import Entry
from launcher.places import write_privately
from launcher.ports import LOOPBACK
from launcher.server import Server

CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir .
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
tcp-backlog 128
"""


class Valkey(Server):
    key = "broker"
    title = "Valkey"
    stop_signals = ((signal.SIGTERM, 15.0),)

    def __init__(self, data_dir: Path, memory: Entry) -> None:
        super().__init__(data_dir, memory)
        self.home = data_dir / "valkey"
        self._program = Path()

    def prepare(self) -> None:
        self._program = binaries.valkey()
        self.home.mkdir(mode=0o700, exist_ok=True)
        if not (self.home / "password").exists():
            write_privately(self.home / "password", secrets.token_hex(32))
        words = CONFIGURATION.format(host=LOOPBACK, port=self.port, password=self._password())
        configuration = self.home / "valkey.conf"
        if not configuration.exists() or configuration.read_text(encoding="utf-8") != words:  # on a full disk, too
            write_privately(configuration, words)

    def directory(self) -> Path:
        """`dir .` is where it starts, so that no path has to be quoted the way Valkey quotes."""
        return self.home

    def command(self) -> Sequence[str | Path]:
        return [self._program, self.home / "valkey.conf"]

    def answers(self) -> bool:
        """Only our own server takes the password; while it still loads, it answers PING with an error."""
        try:
            with socket.create_connection((LOOPBACK, self.port or 0), timeout=0.5) as connection:
                connection.sendall(f"AUTH {self._password()}\r\nPING\r\n".encode())
                with connection.makefile("rb") as replies:
                    return replies.readline() == b"+OK\r\n" and replies.readline() == b"+PONG\r\n"
        except OSError:
            return False

    def url(self) -> str:
        return f"redis://:{self._password()}@{LOOPBACK}:{self.port}/0"

    def _password(self) -> str:
        return (self.home / "password").read_text(encoding="utf-8")
