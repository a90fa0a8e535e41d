"""Catalogues of translations are compiled before anything starts that reads them.

The Python of .venv does it, where Babel lies. Here times are compared, so that nothing is started when there is
nothing to do, which is always the case without a catalogue.
"""

import subprocess
from pathlib import Path

from launcher.errors import CatalogueBrokenError
from launcher.places import CHECKOUT, VENV_PYTHON

LOCALE_DIR = CHECKOUT / "locale"


def compile_stale() -> None:
    """CatalogueBrokenError names file and line of what stands in the way."""
    if not is_stale(LOCALE_DIR):
        return
    command = [str(VENV_PYTHON), "-m", "languages.catalogues"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CatalogueBrokenError(sentence=(done.stderr.strip().splitlines() or ["it said nothing"])[-1])


def is_stale(directory: Path) -> bool:
    """Whether a catalogue is newer than what was compiled of it, or is gone."""
    sources = {path.with_suffix(".mo"): path for path in directory.glob("*/LC_MESSAGES/django.po")}
    compiled = set(directory.glob("*/LC_MESSAGES/django.mo"))
    return sources.keys() != compiled or any(
        target.stat().st_mtime_ns < source.stat().st_mtime_ns for target, source in sources.items()
    )
