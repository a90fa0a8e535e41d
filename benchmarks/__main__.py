"""`python -m benchmarks [planning deliver …] [--quick] [--write]`: how fast, beside what the machine can do at best.

Each part has servers of its own and a table in docs/benchmarks.md.
"""

import argparse
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import cold, delivering, lateness, owners, planning, requests, size, slow, workers
from benchmarks.figures import Rows
from benchmarks.report import tell
from benchmarks.service import SINK, make_template
from tests.needs import GIT, left_out

Part = Callable[..., Rows]
"""part(directory, template, is_quick=…): the directory is empty and its own, the template to be copied."""

PARTS: dict[str, Part] = {
    "planning": planning.play,
    "delivering": delivering.play,
    "workers": workers.play,
    "lateness": lateness.play,
    "slow": slow.play,
    "requests": requests.play,
    "size": size.play,
    "owners": owners.play,
    "cold": cold.play,
}

NEEDS = {"delivering": [SINK], "workers": [SINK], "lateness": [SINK], "requests": [requests.WRK], "cold": [GIT]}

NOT_QUICK = {"workers", "cold"}
"""Parts that take some time however little they do: a quick run leaves them out, unless they are asked for."""


def main() -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    options, failed = arguments(), []
    parts = options.parts or [name for name in PARTS if not (options.quick and name in NOT_QUICK)]
    lacking = left_out({name: NEEDS.get(name, []) for name in parts}, say=partial(print, flush=True))
    with tempfile.TemporaryDirectory(prefix="taskapp-benchmarks-", ignore_cleanup_errors=True) as directory:
        template = make_template(Path(directory, "template"))
        for name in parts:
            if name in lacking:
                # What it has shown before is still true of the commit that stands above it.
                print(f"\n{name}: {lacking[name]}{'; the page keeps its table' if options.write else ''}", flush=True)
                continue
            command = f"python -m benchmarks {name}{' --quick' if options.quick else ''}"
            own = Path(directory, name)
            own.mkdir(mode=0o700)
            try:
                tell(name, command, partial(PARTS[name], own, template, is_quick=options.quick), write=options.write)
            except Exception:  # the others have servers of their own
                traceback.print_exc()
                failed.append(name)
    if failed:
        print(f"Failed, and without a table: {', '.join(failed)}.", flush=True)
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all without any")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: three minutes for all of it")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
