"""`python -m benchmarks.schedulers [a b …] [--write]`: the stock scheduler of django-celery-beat beside ours.

Each scenario is played to both at once, each on servers of its own. Ends with 1 if ours is wrong in any.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.report import about, replace_part
from benchmarks.scenarios import SCENARIOS, Finding, Scenario
from benchmarks.servers import OVER, OverError
from benchmarks.stand import OURS, STOCK, Stand, make_template
from tests.chaos.fleet import CLOCK
from tests.needs import left_out

HEAD = ["Scenario", "Due", "Stock", "Ours", "Right"]


def main() -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    options = arguments()
    wanted = [each for each in SCENARIOS if not options.scenarios or each.letter in options.scenarios]
    needs = {f"scenario {each.letter}": [CLOCK] if each.begins_at else [] for each in wanted}
    lacking = left_out(needs, say=partial(print, flush=True))
    began, circumstances = time.monotonic(), about("python -m benchmarks.schedulers")
    with tempfile.TemporaryDirectory(prefix="taskapp-schedulers-", ignore_cleanup_errors=True) as directory:
        rows, is_right = play_all(wanted, Path(directory), lacking)
    table = "\n".join(row_of(cells) for cells in [HEAD, ["---"] * len(HEAD), *rows])
    words = f"{circumstances} It took {(time.monotonic() - began) / 60:.0f} min.\n\n{table}\n"
    print(f"\n{words}")
    if options.write:
        replace_part("schedulers", words)
    return 0 if is_right else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedulers")
    parser.add_argument("scenarios", nargs="*", help="letters, such as a b; all without any")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    return parser.parse_args()


def play_all(wanted: list[Scenario], directory: Path, lacking: dict[str, str]) -> tuple[list[list[str]], bool]:
    template, rows, is_right = make_template(directory / "template"), [], True
    with ThreadPoolExecutor(2) as pool:
        for number, scenario in enumerate(wanted):
            if reason := lacking.get(f"scenario {scenario.letter}"):
                rows.append([scenario.title, "", reason, reason, scenario.right])
                print(row_of(rows[-1]), flush=True)
                continue
            try:
                stock, ours = play_to_both(pool, scenario, directory / str(number), template)
            except BaseException:
                OVER.set()
                raise
            is_right = is_right and ours.is_right
            rows.append([scenario.title, ours.due, verdict(stock), verdict(ours), scenario.right])
            print(row_of(rows[-1]), flush=True)
    return rows, is_right


def play_to_both(pool: ThreadPoolExecutor, scenario: Scenario, directory: Path, template: Path) -> Iterator[Finding]:
    directory.mkdir(mode=0o700)
    futures = [pool.submit(play, scenario, directory / name, name, template) for name in (STOCK, OURS)]
    return (future.result() for future in futures)


def play(scenario: Scenario, directory: Path, scheduler: str, template: Path) -> Finding:
    """What went wrong with the scenario itself counts as wrong, and says so."""
    directory.mkdir(mode=0o700)
    try:
        with Stand(directory, scheduler, template=template, own_clock=scenario.begins_at) as stand:
            return scenario.play(stand)
    except OverError:
        raise
    except Exception as error:
        said = str(error).strip().splitlines()[-1:]  # of a traceback, what it comes to
        return Finding("", " ".join([type(error).__name__, *said]), is_right=False)


def verdict(finding: Finding) -> str:
    return finding.happened if finding.is_right else f"**{finding.happened}**"


def row_of(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
