"""A process of the stand-in: web (answers /readyz), worker (has a helper process), beat (plain), or one that
always fails."""

import http.server
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

kind = sys.argv[1]
place = Path(os.environ["DATA_DIR"])


def note(words: str) -> None:
    with (place / "notes").open("a") as notes:
        notes.write(f"{kind} {words}\n")


def leave(number: int, _frame: object) -> None:
    note("stopped")
    sys.exit(0)


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


signal.signal(signal.SIGTERM, signal.SIG_IGN if kind == "stubborn" else leave)
note(f"pid {os.getpid()}")
print(f"{kind} began", flush=True)
if kind == "failing":
    sys.exit(3)
if kind == "worker":
    helper = subprocess.Popen(["sleep", "1000"])
    note(f"pid {helper.pid}")
if kind == "web":
    http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Ready).serve_forever()
time.sleep(1000)
