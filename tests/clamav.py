"""A real clamd with one signature of our own, since the official ones are a download of hundreds of megabytes.

The signature finds the EICAR test string, which every scanner takes for a virus and which is none. It stands in no file
of this repository, else the repository would be taken for infected: its two halves are joined here.
"""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Self

from tests.needs import of_program, program
from tests.waiting import eventually

NEED = of_program("clamd", "clamav-daemon")

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD" + b"-ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURE = "Local.Eicar-Test-Signature"
LARGEST_STREAM = 25 * 2**20

CONFIGURATION = """
DatabaseDirectory {directory}/signatures
LocalSocket {directory}/clamd.ctl
LocalSocketMode 666
Foreground yes
LogFile {directory}/clamd.log
StreamMaxLength {largest}
ConcurrentDatabaseReload no
AlertExceedsMax yes
"""


class ClamAV:
    """Starts with the context and ends with it; can be stopped, frozen and started again meanwhile."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "clamd.ctl"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        signatures = self.directory / "signatures"
        signatures.mkdir(parents=True)
        (signatures / "local.ndb").write_text(f"{SIGNATURE}:0:*:{EICAR.hex()}\n")
        text = CONFIGURATION.format(directory=self.directory, largest=LARGEST_STREAM)
        (self.directory / "clamd.conf").write_text(text)
        self.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        command = [program("clamd") or "clamd", f"--config-file={self.directory}/clamd.conf"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self.answers)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.settimeout(2)
                connection.connect(str(self.socket))
                connection.sendall(b"zPING\0")
                return connection.recv(10) == b"PONG\0"
            except OSError:
                return False

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self.socket.unlink(missing_ok=True)
        self._process = None

    def freeze(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def revive(self) -> None:
        """Answering again, whatever a test has done to it."""
        if self._process is None:
            self.start()
        else:
            self.thaw()
