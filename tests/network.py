"""A host of a test's own in a network namespace, to be powered off: from then on nothing comes from it, on any
connection. It carries what it is sent to a port of this machine's loopback address."""

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.needs import program
from tests.waiting import eventually

HERE, THERE = "10.231.77.1", "10.231.77.2"
PORT = 5432

CARRY = """
import sys
from tests.silence import Slow
with Slow((sys.argv[3], int(sys.argv[4])), listen_at=(sys.argv[1], int(sys.argv[2]))) as carrier:
    carrier.go_on.set()
    print(carrier.port, flush=True)
    sys.stdin.read()
"""


class OtherHost:
    """Reached at `address`, which leads to the loopback port."""

    def __init__(self, port: int) -> None:
        self.to = port
        self.name = f"taskapp-{os.getpid()}"
        self.link = f"tk{os.getpid()}"
        self.carriers: list[subprocess.Popen[str]] = []

    @property
    def address(self) -> str:
        return f"{THERE}:{PORT}"

    def __enter__(self) -> Self:
        try:
            ip("netns", "add", self.name)
            ip("link", "add", self.link, "type", "veth", "peer", "name", "uplink", "netns", self.name)
            ip("addr", "add", f"{HERE}/30", "dev", self.link)
            ip("link", "set", self.link, "up")
            self.inside("addr", "add", f"{THERE}/30", "dev", "uplink")
            self.inside("link", "set", "uplink", "up")
            here = self.carry((), HERE, 0, "127.0.0.1", self.to)
            self.carry((program("ip"), "netns", "exec", self.name), THERE, PORT, HERE, here)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        for carrier in self.carriers:
            carrier.communicate()
        subprocess.run([program("ip"), "netns", "del", self.name], check=False)  # and the link with it

    def power_off(self) -> None:
        self.inside("link", "set", "uplink", "down")

    def inside(self, *words: str) -> None:
        ip("-n", self.name, *words)

    def carry(self, prefix: tuple[str, ...], *places: object) -> int:
        """Start a carrier; return the port at which it listens."""
        carrier = subprocess.Popen(
            [*prefix, sys.executable, "-c", CARRY, *map(str, places)], cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.carriers.append(carrier)
        assert carrier.stdout is not None
        return int(eventually(carrier.stdout.readline))


def ip(*words: str) -> None:
    subprocess.run([program("ip"), *words], check=True)


def may_make_hosts() -> bool:
    """Whether this process may make network namespaces."""
    name = f"taskapp-may-{os.getpid()}"
    if not program("ip") or subprocess.run([program("ip"), "netns", "add", name], check=False).returncode != 0:
        return False
    ip("netns", "del", name)
    return True
