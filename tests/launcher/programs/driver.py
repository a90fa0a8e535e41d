"""`launcher run` with other processes: those named on the command line."""

import os
import sys
from pathlib import Path

from launcher import command, run
from launcher.child import Process

kinds = os.environ["KINDS"].split()
service = str(Path(__file__).parent / "service.py")
run.PROCESSES = tuple(Process(kind, (sys.executable, service, kind), patience=5) for kind in kinds)
run.run.__kwdefaults__["processes"] = run.PROCESSES
sys.exit(command.main(["run", "--installed", *sys.argv[1:]]))
