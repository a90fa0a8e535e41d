"""The service as it runs in production, to be measured: web, worker and beat, and a mail server that takes everything.

The mail server is Debian's smtp-sink, in C; one in Python would itself be what is measured.
"""

import os
import socket
import sys
from pathlib import Path
from pwd import getpwnam

from benchmarks.servers import Servers
from tests.chaos.processes import children, proportional_bytes
from tests.e2e.service import COMMANDS, PASSWORD, free_port
from tests.needs import of_program, program

SINK = of_program("smtp-sink", "postfix")

USERS = """
    INSERT INTO auth_user (username, first_name, last_name, email, password, is_staff, is_superuser, is_active,
                           date_joined)
    SELECT 'owner' || n, '', '', 'owner' || n || '@example.org', '!', false, false, true, now()
    FROM generate_series(1, %s) AS n RETURNING id
"""


class Service(Servers):
    """Processes are started by the names of the Procfile; the mail server by `start_sink`."""

    def __init__(self, directory: Path, *, template: Path | None, **environ: str) -> None:
        super().__init__(directory, template=template)
        self.port, self.mail_port = free_port(), free_port()
        self._own = environ

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        own = {
            "PORT": str(self.port), "PUBLIC_URL": self.url,
            "EMAIL_URL": f"smtp://127.0.0.1:{self.mail_port}", "ADMIN_USERNAME": "root", "ADMIN_PASSWORD": PASSWORD,
        }  # fmt: skip
        return {**super().environ, **own, **self._own}

    def start(self, *names: str, **environ: str) -> None:
        """And wait until a web process answers, and a worker consumes. `environ` is added to the environment."""
        for name in names:
            self.run(name, [sys.executable, *COMMANDS[name]], environ={**self.environ, **environ})
        for name in names:
            assert self.until(lambda name=name: self._is_ready(name), within=60), self.log(name)

    def _is_ready(self, name: str) -> bool:
        if name == "web":
            return answers(self.port)
        return name != "celery-worker" or " ready." in self.log(name)

    def start_sink(self, *, into: Path | None = None) -> None:
        """`into`: a directory for one file a message; else they are thrown away."""
        options = ["-d", f"{into}/%M"] if into else []
        # A change of user makes the kernel forget with whom a process is to die, so it comes before, and not by -u.
        command = [program("smtp-sink"), *options, f"127.0.0.1:{self.mail_port}", "1000"]
        self.run("sink", command, become=become_nobody)
        assert self.until(lambda: answers(self.mail_port), within=10), self.log("sink")

    def add_users(self, count: int) -> list[int]:
        return [pk for (pk,) in self.sql(USERS, (count,))]

    def megabytes(self, name: str) -> float:
        """Memory of a process and its children; of what several share, each bears its part."""
        pid = self.processes[name].pid
        return sum(proportional_bytes(one) for one in [pid, *children(pid)]) / 1e6


def become_nobody() -> None:
    if os.geteuid() == 0:
        nobody = getpwnam("nobody")
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def make_template(directory: Path) -> Path:
    """A service that was prepared, to be copied."""
    with Service(directory, template=None) as service:
        service.manage("prepare")
        service.manage("send_due_soon")  # works off that the default rule is new
    return directory
