"""Migrations stand still: none that was recorded is edited or removed, for some database may have applied it.

    python -m tests.migrations             tells what was changed, removed, or not recorded yet; part of `make check`
    python -m tests.migrations --record    adds what is not recorded yet

`migrations.sha256` has a line for each migration, in the format of sha256sum. `--record` adds lines and changes none.
Who replaces a migration edits that file by hand, in the same commit, and copies the line that goes into the page of
docs/decisions that says why. A line that was ever committed must stand in one or the other. It is looked for in the
history of the file; an archive or a shallow clone has none, or less, and there the file alone counts.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ROOT / "migrations.sha256"
COMMAND = "python -m tests.migrations --record"


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--record"]):
        print(f"Unknown arguments: {' '.join(arguments)}. There is --record.")
        return 2
    if arguments:
        record()
    found = faults()
    print("\n".join(found) or f"{len(recorded())} migrations stand as they were recorded.")
    return 1 if found else 0


def present() -> dict[str, str]:
    """The digest of each migration, by its path."""
    files = [file for file in ROOT.glob("*/migrations/*.py") if file.name != "__init__.py"]
    return {file.relative_to(ROOT).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def recorded() -> dict[str, str]:
    """The same, as the manifest has it."""
    return {path: digest for digest, path in lines_in(MANIFEST.read_text(encoding="utf-8"))}


def lines_in(text: str) -> list[tuple[str, str]]:
    """Digest and path of each line of a manifest, a patch or a page."""
    return re.findall(r"(?m)^[-+ ]*([0-9a-f]{64})  (\S+)$", text)


def record() -> None:
    everything = {**present(), **recorded()}  # what is recorded already stays as it is
    MANIFEST.write_text("".join(f"{everything[path]}  {path}\n" for path in sorted(everything)), encoding="utf-8")


def faults() -> list[str]:
    """A sentence for each migration that does not stand as it was recorded."""
    now, then = present(), recorded()
    changed = [path for path in then if path in now and now[path] != then[path]]
    return [
        *(f"{path} was changed: restore it, and make the difference in a new migration." for path in changed),
        *(f"{path} is missing: restore it." for path in then if path not in now),
        *(f"{path} is not recorded: {COMMAND} records it." for path in now if path not in then),
        *(
            f"{path} was recorded as {digest[:12]}… in an earlier commit: restore it and its line, or copy that line "
            "into the page of docs/decisions that says why it goes."
            for digest, path in replaced()
        ),
    ]


def replaced() -> list[tuple[str, str]]:
    """Each line that was committed once, and stands neither in the manifest nor in a decision now."""
    standing = [MANIFEST, *ROOT.glob("docs/decisions/*.md")]
    stands = {line for file in standing for line in lines_in(file.read_text(encoding="utf-8"))}
    return sorted(set(lines_in(history())) - stands, key=lambda line: line[1])


def history() -> str:
    """Every change of the manifest, as a patch; a merge counts as one change, whatever its branch went through."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return ""
    patches = ["--first-parent", "-m", "--patch", "--no-color", "--format="]
    # Before the first commit git log fails, and there is no history.
    return git("log", *patches, "--", MANIFEST.name) + "".join(merged())


def merged() -> Iterator[str]:
    """The manifest of whatever was merged, as it came: a merge made the other way round would hide main's own."""
    for line in git("log", "--first-parent", "--merges", "--format=%P").splitlines():
        for parent in line.split()[1:]:
            yield git("show", f"{parent}:{MANIFEST.name}")


def git(*words: str) -> str:
    """What it says; nothing where it fails. A container often runs as another user than the one who owns the clone."""
    command = ["git", "-c", "safe.directory=*", *words]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
