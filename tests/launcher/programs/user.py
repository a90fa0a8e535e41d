"""Attaches to the servers of a data directory, says where they are, and stays until it is told to leave (end
of input)."""

import json
import os
import sys
from pathlib import Path

from launcher.errors import LauncherError
from launcher.servers import attach

place, wanted, manner = Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3]
try:
    urls = attach(place, database="database" in wanted, broker="broker" in wanted)
except LauncherError as error:
    print(json.dumps({"error": str(error)}), flush=True)
    sys.exit(1)
if manner == "fork" and os.fork():
    # The fork stays, this process goes.
    os._exit(0)
print(json.dumps({"database": urls.database, "broker": urls.broker, "pid": os.getpid()}), flush=True)
sys.stdin.read()
