"""The two commands: `run`, which is what `make run` starts, and `install`, which the other targets begin
with.
"""

import argparse
import os
import signal
import sys
from types import FrameType

from launcher import dotenv
from launcher.catalogues import compile_stale
from launcher.errors import LauncherError
from launcher.install import install
from launcher.places import CHECKOUT, VENV_PYTHON
from launcher.run import run
from launcher.version import __version__


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    os.chdir(CHECKOUT)
    dotenv.load(CHECKOUT / ".env", os.environ)
    # .pyc files are what makes the second start fast; whoever wants none can still delete them.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        if options.command == "run" and options.installed:
            return run(os.environ, parent=options.parent)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        install(os.environ, dev=options.command == "install" and options.dev)
        compile_stale()
    except LauncherError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr, flush=True)
        return 130
    if options.command == "run":
        # The same process goes on with the Python that has the packages, so that make's child stays the one
        # it started.
        again = ["-m", "launcher", "run", "--installed", f"--parent={os.getppid()}"]
        os.execv(VENV_PYTHON, [str(VENV_PYTHON), *again])
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """So that pip is stopped, too."""
    raise KeyboardInterrupt


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="launcher", description=__doc__)
    parser.add_argument("--version", action="version", version=f"Taskapp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    run_command = commands.add_parser("run", help="install what is missing, then run everything until Ctrl-C")
    run_command.add_argument("--installed", action="store_true", help=argparse.SUPPRESS)
    run_command.add_argument("--parent", type=int, default=os.getppid(), help=argparse.SUPPRESS)
    install_command = commands.add_parser("install", help="make .venv what the requirements files say")
    install_command.add_argument("--dev", action="store_true", help="with what tests and checks need")
    return parser.parse_args(arguments)
