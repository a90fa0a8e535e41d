"""The checkout's .env file, in the part of its syntax that .env.example uses: NAME=value, quotes around it, comments.

The settings read the same file with python-dotenv, which is not there yet when `make run` begins. What the launcher
has read stands in the environment by then, so both mean the same.
"""

import re
from collections.abc import Iterator, MutableMapping
from pathlib import Path

LINE = re.compile(r"""\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^#\r\n]*?))\s*(?:\#.*)?""")


def load(path: Path, environ: MutableMapping[str, str]) -> None:
    """Put into the environment what the file says and the environment does not."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    for name, value in parse(text):
        environ.setdefault(name, value)


def parse(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        found = LINE.fullmatch(line)
        if found:
            name, *values = found.groups()
            yield name, next((value for value in values if value is not None), "")
