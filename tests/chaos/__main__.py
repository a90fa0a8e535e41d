"""`make chaos`: kills everything everywhere, and compares what arrived with what was due. Red if anything was lost,
doubled, or announced too late.
"""

import argparse
import shlex
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests import clamav
from tests.chaos import files, flood, kills, matrix, report, soak, states
from tests.chaos.fleet import CLOCK, LEASE_SECONDS, Fleet
from tests.chaos.mail_server import MailServer
from tests.needs import Need, left_out

PARTS = list(report.PARTS)
STEPS = "soak's steps of the clock"
ENVIRONS = {"states": states.ENVIRON, "kills": kills.ENVIRON, "flood": flood.ENVIRON}

Part = Callable[[Fleet, list[Any]], None]
"""part(fleet, outcomes): each outcome is appended once it is there."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="run this part; may be given again")
    parser.add_argument("--point", action="append", help="of the matrix, the rows of this point alone")
    parser.add_argument("--action", default="", help="of the matrix, the rows whose action begins so")
    parser.add_argument("--state", default="", help="of the states, those whose name has this in it")
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
    parts: dict[str, Part] = {
        "matrix": lambda fleet, outcomes: matrix.run(
            fleet, rows_of(chosen.point, chosen.action), outcomes=outcomes, say=say
        ),
        "files": lambda fleet, outcomes: files.run(
            fleet, files_rows_of(chosen.point, chosen.action), outcomes=outcomes, say=say
        ),
        "states": lambda fleet, outcomes: states.run(fleet, states_named(chosen.state), outcomes=outcomes, say=say),
        "soak": lambda fleet, outcomes: outcomes.append(
            soak.run(fleet, seed=chosen.seed, seconds=chosen.soak_seconds, say=say)
        ),
        "kills": lambda fleet, outcomes: outcomes.append(kills.run(fleet, number=chosen.kills_reminders, say=say)),
        "flood": lambda fleet, outcomes: outcomes.append(flood.run(fleet, number=chosen.flood_reminders, say=say)),
    }
    wanted = {name: part for name, part in parts.items() if name in (chosen.only or PARTS)}
    lacking = left_out(needs_of(wanted), say=say)
    with_fleets = {
        name: partial(with_a_fleet, name, part, keep=chosen.keep)
        for name, part in wanted.items() if name not in lacking
    }  # fmt: skip
    outcomes: dict[str, list[Any]] = {name: [] for name in with_fleets}
    notes = dict(lacking)
    try:
        run_all(with_fleets, outcomes, notes)
    finally:  # what is finished is shown, even after Ctrl-C
        command = shlex.join(["python", "-m", "tests.chaos", *sys.argv[1:]])
        text = report.document(command=command, outcomes=outcomes, notes=notes, lease_seconds=LEASE_SECONDS)
        print(f"\n{text}", flush=True)
        if chosen.write:
            chosen.write.write_text(text)
    minutes = (time.monotonic() - began) / 60
    red = [name for name, rows in outcomes.items() if name in notes or not are_good(rows)]
    verdict = f"red: {', '.join(red)}" if red else "all that was run is as it should be"
    say("; ".join([f"{minutes:.1f} minutes", verdict, *(f"{part}: {reason}" for part, reason in lacking.items())]))
    return 1 if red else 0


def needs_of(names: Iterable[str]) -> dict[str, list[Need]]:
    needs = {"files": [clamav.NEED], "soak": [], STEPS: [CLOCK]}
    return {part: needs.get(part, []) for name in names for part in ([name, STEPS] if name == "soak" else [name])}


def run_all(
    parts: Mapping[str, Callable[[list[Any]], None]], outcomes: Mapping[str, list[Any]], notes: dict[str, str]
) -> None:
    """One after the other; the failure of one is noted, and keeps none from running."""
    notes |= dict.fromkeys(parts, "not run")
    for name, part in parts.items():
        notes[name] = "**ended early**"
        try:
            part(outcomes[name])
        except Exception as error:
            traceback.print_exc()
            notes[name] = f"**ended early** by {type(error).__name__}: {error}"
        else:
            del notes[name]


def are_good(outcomes: list[Any]) -> bool:
    return all(outcome.is_good for outcome in outcomes)


def rows_of(points: list[str] | None, action: str) -> list[matrix.Row]:
    return [row for row in matrix.ROWS if (not points or row.point in points) and row.action.startswith(action)]


def files_rows_of(points: list[str] | None, action: str) -> list[files.Row]:
    return [row for row in files.ROWS if (not points or row.point in points) and row.action.startswith(action)]


def states_named(words: str) -> list[states.Row]:
    return [row for row in states.ROWS if words in row.name]


def with_a_fleet(name: str, part: Part, outcomes: list[Any], *, keep: bool) -> None:
    directory = Path(tempfile.mkdtemp(prefix=f"taskapp-chaos-{name}-"))
    environ = ENVIRONS.get(name, {})
    say(f"--- {name}, in {directory}")
    try:
        with (
            MailServer() as mail,
            Fleet(directory, mail, own_clock=name == "soak", small_disks=name == "states", **environ) as fleet,
        ):
            part(fleet, outcomes)
    except BaseException:
        say(f"the logs are in {directory}")
        raise
    if not are_good(outcomes):
        say(f"red: {outcomes}; the logs are in {directory}")
    elif not keep:
        shutil.rmtree(directory)


def say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
