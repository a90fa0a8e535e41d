"""The tables as Markdown: what docs/crash-matrix.md is made of."""

import platform
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import celery
import django

from launcher import binaries
from tests.chaos import files as file_rows
from tests.chaos import flood, kills, matrix, soak, states
from tests.needs import GIT

INTRODUCTION = """\
# Crash matrix

What becomes of reminders and of files when processes are killed, servers fail and clocks jump. The system under test
runs as in production: one web process, two beats, three workers, PostgreSQL and Valkey, and a supervisor that starts
again what has died. Lost and doubled are counted at the mail server, against what the API had granted. A point is a
step of the [lifecycle](lifecycle.md), a moment within one, or a message to a worker; only the harness, which is no part
of an installation, can arm one.

- **lost**: the last state that was granted for a task wants to be announced, and no message announces it.
- **misled**: one does, but a later message announced another due date.
- **repeated**: a Message-ID was accepted again, and its delivery bears the mark `unknown_outcome`: the one case in
  which that may happen ([lifecycle](lifecycle.md#delivery)).
- **doubled**: the same without that mark, or a due date that was announced by more messages than it was set times.
- **too late**: a message announced what a change, granted before its last check began, had taken back.
- **back after**: seconds from the kill until the last message that was due had been accepted. A lease is {lease} s
  here.
"""

FILES = """\
A photo, a text, a virus and a photo that is cut off are uploaded in each row. In the end the photo has its thumbnails
and each file is handed out byte for byte, but for the virus, of which its owner was told once; and the storage holds
the files that rows refer to, and no other."""

STATES = f"""\
A reminder comes due each second, and three people add tasks. The state is held for {states.HELD_SECONDS:.0f} s with the
service's default settings, and healed; "after" counts from its beginning, "all told after" from the healing."""


def document(*, command: str, outcomes: Mapping[str, list[Any]], notes: Mapping[str, str], lease_seconds: int) -> str:
    """`outcomes`: of each part, as far as it came. `notes`: why a part, or some of it, was left out or ended early."""
    pages = [INTRODUCTION.format(lease=lease_seconds), of_the_run(command)]
    for name, (title, tables_of) in PARTS.items():
        said = [f"{each}: {note}.\n" for each, note in notes.items() if each.partition("'")[0] == name]
        tables = [tables_of(outcomes[name])] if outcomes.get(name) else []
        if said or tables:
            pages += [f"## {title}\n", *said, *tables]
    return "\n".join(pages)


def of_the_run(command: str) -> str:
    versions = {
        "Python": platform.python_version(), "Django": django.__version__, "Celery": celery.__version__,
        "PostgreSQL": binaries.version(binaries.postgres()).split()[-1],
        "Valkey": binaries.version(binaries.valkey()).split("v=")[-1].split()[0],
    }  # fmt: skip
    words = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"Made by `{command}` on {datetime.now(UTC):%Y-%m-%d}, at commit {commit()}, with {words}.\n"


def commit() -> str:
    if not GIT.is_met():
        return "unknown"
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def of_matrix(rows: list[matrix.Outcome]) -> str:
    head = ["Point", "What happens there", "To", "Due", "Received", "Lost", "Repeated", "Doubled", "Too late"]
    lines = [
        [
            row.row, row.row.action, row.shot.process.replace("#", " ") if row.shot else "**not reached**",
            row.verdict.due, row.verdict.received, len(row.verdict.lost), row.verdict.repeated,
            len(row.verdict.doubled), len(row.verdict.too_late), f"{max(0.0, row.recovery_seconds):.1f} s",
        ]
        for row in rows
    ]  # fmt: skip
    good = sum(row.is_good for row in rows)
    words = f"{len(rows)} rows, of which {good} are as they should be.\n"
    return f"{words}\n{table([*head, 'Back after'], lines)}\n"


def of_files(rows: list[file_rows.Outcome]) -> str:
    head = ["Point", "What happens there", "To", "Uploads", "Not as they should be", "At rest after"]
    lines = [
        [
            row.row, row.row.action, row.shot.process.replace("#", " ") if row.shot else "**not reached**",
            row.uploads, len(row.wrong), f"{max(0.0, row.recovery_seconds):.1f} s",
        ]
        for row in rows
    ]  # fmt: skip
    good = sum(row.is_good for row in rows)
    words = f"{FILES}\n\n{len(rows)} rows, of which {good} are as they should be.\n"
    return f"{words}\n{table(head, lines)}\n"


def of_soak(outcomes: list[soak.Outcome]) -> str:
    (outcome,) = outcomes
    verdict = outcome.verdict
    facts = [
        ["Seconds of faults", f"{outcome.seconds:g}"],
        ["Requests that were granted", outcome.changes],
        ["Tasks that were due in the end", verdict.due],
        ["Of those announced", verdict.received],
        ["Tasks that were done or deleted in the end", verdict.suppressed],
        ["Tasks of a recipient who was refused for good", outcome.excused],
        ["Messages accepted", verdict.messages],
        ["Lost", len(verdict.lost)],
        ["Misled", len(verdict.misled)],
        ["Repeated, marked", verdict.repeated],
        ["Doubled", len(verdict.doubled)],
        ["Too late", len(verdict.too_late)],
        ["Seconds until all was settled, once healed", f"{outcome.drain_seconds:.1f}"],
    ]
    faults = sorted(outcome.faults.items())
    return "\n".join([
        f"Seed {outcome.seed}.\n",
        table(["What", "Number"], facts), "", table(["Fault", "Times"], faults), "",
    ])  # fmt: skip


def of_kills(outcomes: list[kills.Outcome]) -> str:
    (outcome,) = outcomes
    verdict = outcome.verdict
    facts = [
        ["Reminders", verdict.due],
        ["Of those announced", verdict.received],
        ["Workers killed", outcome.kills],
        ["FLUSHALL", outcome.flushes],
        ["Lost", len(verdict.lost)],
        ["Repeated, marked", verdict.repeated],
        ["Repeated, and no kill explains it", len(outcome.unexplained)],
        ["Doubled", len(verdict.doubled)],
        ["Seconds", f"{outcome.seconds:.0f}"],
        ["Messages a second", f"{outcome.rate:.0f}"],
    ]
    words = "One of three workers is killed every 5 s, and Redis emptied every 20 s, until all have arrived.\n"
    return f"{words}\n{table(['What', 'Number'], facts)}\n"


def of_flood(outcomes: list[flood.Outcome]) -> str:
    (outcome,) = outcomes
    growth = [[f"Growth of {kind}, MB", f"{size / 2**20:.0f}"] for kind, size in sorted(outcome.growth.items())]
    facts = [
        ["Reminders due at once", outcome.number],
        ["Seconds watched", f"{outcome.seconds:.0f}"],
        ["Messages accepted meanwhile", outcome.messages],
        ["Most messages in Redis", outcome.most_in_redis],
        *growth,
        ["Small owners", len(outcome.waits)],
        ["Their median wait, s", f"{outcome.median_wait:.1f}"],
        ["Their longest wait, s", f"{outcome.waits[-1]:.1f}"],
    ]
    words = "One person has them all; fifty others have one each, put in meanwhile. The mail server takes 20 ms each.\n"
    wrong = "".join(f"\n**{each}**\n" for each in outcome.wrong)
    return f"{words}\n{table(['What', 'Number'], facts)}\n{wrong}"


def of_states(rows: list[states.Outcome]) -> str:
    head = ["State", "Named in health", "After", "Due", "Received", "Lost", "Repeated", "Doubled", "All told after"]
    lines = [
        [row.row.name, f"**left out**: {row.left_out}", *[""] * 7] if row.left_out else
        [
            row.row.name, row.row.part or "nothing",
            seconds_of(row.named_seconds) if row.row.part else "",
            row.verdict.due, row.verdict.received, len(row.verdict.lost), row.verdict.repeated,
            len(row.verdict.doubled), f"{row.told_seconds:.1f} s",
        ]
        for row in rows
    ]  # fmt: skip
    good = sum(row.is_good for row in rows)
    wrong = "".join(f"\n**{row.row.name}: {each}**\n" for row in rows if not row.left_out for each in row.wrong)
    words = f"{STATES}\n\n{len(rows)} rows, of which {good} are as they should be.\n"
    return f"{words}\n{table(head, lines)}\n{wrong}"


def seconds_of(seconds: float | None) -> str:
    return "**never**" if seconds is None else f"{seconds:.1f} s"


PARTS: dict[str, tuple[str, Callable[[list[Any]], str]]] = {
    "matrix": ("Every point", of_matrix),
    "files": ("Every point on the way of a file", of_files),
    "states": ("Servers and disks in odd states", of_states),
    "soak": ("Faults at random", of_soak),
    "kills": ("A backlog while workers die", of_kills),
    "flood": ("A flood", of_flood),
}


def table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Aligned; columns of numbers to the right."""
    rows = [list(map(str, line)) for line in lines]
    widths = [max(len(row[column]) for row in [list(head), *rows]) for column in range(len(head))]
    numeric = [all(row[column][:1].isdigit() for row in rows) for column in range(len(head))]

    def line_of(cells: Sequence[str]) -> str:
        fitted = [
            cell.rjust(width) if is_numeric else cell.ljust(width)
            for cell, width, is_numeric in zip(cells, widths, numeric, strict=True)
        ]
        return f"| {' | '.join(fitted)} |"

    rule = [
        "-" * (width - 1) + ":" if is_numeric else "-" * width
        for width, is_numeric in zip(widths, numeric, strict=True)
    ]
    return "\n".join([line_of(head), line_of(rule), *map(line_of, rows)])
