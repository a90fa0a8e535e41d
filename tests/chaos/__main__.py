"""`make chaos`: kills everything everywhere, and compares what arrived with what was due. Red if anything was lost,
doubled, or announced too late.
"""

import argparse
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos import files, flood, kills, matrix, report, soak
from tests.chaos.fleet import LEASE_SECONDS, Fleet
from tests.chaos.mail_server import MailServer

PARTS = ["matrix", "files", "soak", "kills", "flood"]
MINUTES = 20


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="run this part; may be given again")
    parser.add_argument("--point", action="append", help="of the matrix, the rows of this point alone")
    parser.add_argument("--action", default="", help="of the matrix, the rows whose action begins so")
    parser.add_argument("--seed", type=int, default=20261122, help="of the faults at random")
    parser.add_argument("--soak-seconds", type=float, default=180)
    parser.add_argument("--kills-reminders", type=int, default=kills.REMINDERS)
    parser.add_argument("--flood-reminders", type=int, default=flood.REMINDERS)
    parser.add_argument("--write", type=Path, help="write the tables there, too")
    parser.add_argument("--keep", action="store_true", help="keep logs and databases")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    began = time.monotonic()
    parts: dict[str, Callable[[Fleet], Any]] = {
        "matrix": lambda fleet: matrix.run(fleet, rows_of(chosen.point, chosen.action), say=say),
        "files": lambda fleet: files.run(fleet, files_rows_of(chosen.point, chosen.action), say=say),
        "soak": lambda fleet: soak.run(fleet, seed=chosen.seed, seconds=chosen.soak_seconds, say=say),
        "kills": lambda fleet: kills.run(fleet, number=chosen.kills_reminders, say=say),
        "flood": lambda fleet: flood.run(fleet, number=chosen.flood_reminders, say=say),
    }
    environs = {"kills": kills.ENVIRON, "flood": flood.ENVIRON}
    outcomes = {
        name: with_a_fleet(name, parts[name], environs.get(name, {}), keep=chosen.keep)
        for name in PARTS
        if name in (chosen.only or PARTS)
    }
    command = shlex.join(["python", "-m", "tests.chaos", *sys.argv[1:]])
    text = report.document(
        command=command, rows=outcomes.get("matrix"), files=outcomes.get("files"), soaked=outcomes.get("soak"),
        killed=outcomes.get("kills"), flooded=outcomes.get("flood"), lease_seconds=LEASE_SECONDS,
    )  # fmt: skip
    print(f"\n{text}")
    if chosen.write:
        chosen.write.write_text(text)
    minutes = (time.monotonic() - began) / 60
    red = [name for name, outcome in outcomes.items() if not is_good(outcome)]
    say(f"{minutes:.1f} minutes; {'red: ' + ', '.join(red) if red else 'all as it should be'}")
    return 1 if red else 0


def is_good(outcome: Any) -> bool:
    return all(row.is_good for row in outcome) if isinstance(outcome, list) else outcome.is_good


def rows_of(points: list[str] | None, action: str) -> list[matrix.Row]:
    return [row for row in matrix.ROWS if (not points or row.point in points) and row.action.startswith(action)]


def files_rows_of(points: list[str] | None, action: str) -> list[files.Row]:
    return [row for row in files.ROWS if (not points or row.point in points) and row.action.startswith(action)]


def with_a_fleet(name: str, part: Callable[[Fleet], Any], environ: dict[str, str], *, keep: bool) -> Any:
    directory = Path(tempfile.mkdtemp(prefix=f"taskapp-chaos-{name}-"))
    say(f"--- {name}, in {directory}")
    try:
        with MailServer() as mail, Fleet(directory, mail, own_clock=name == "soak", **environ) as fleet:
            outcome = part(fleet)
    except BaseException:
        say(f"the logs are in {directory}")
        raise
    if not is_good(outcome):
        say(f"red: {outcome}; the logs are in {directory}")
    elif not keep:
        shutil.rmtree(directory)
    return outcome


def say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
