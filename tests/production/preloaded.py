"""Programs of the service, started many times: from a process that has imported the libraries once, and forks.

What a program reads, its arguments, its environment and its modules of ours, is what it would be without that; only the
second that each start takes to import Django, Celery and their like is saved.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.production.running import VENV_BIN, environment

SECONDS_AT_MOST = 15

FORKING = f"""
import gc, json, os, runpy, signal, sys, traceback
import celery.bin.celery, celery.app.trace, celery.schedules, django.core.management, django.conf, django.test
import environs, gunicorn.app.wsgiapp, kombu, prometheus_client, psycopg, redis, structlog

def run(script, arguments, environ, output):
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = [script, *arguments]
    signal.alarm({SECONDS_AT_MOST})
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else print(end.code or "", file=sys.stderr) or bool(end.code)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

gc.freeze()
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        code = run(*json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # to take all that apart again would take longer than the rest
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Preloaded:
    """Runs programs in a directory, one after the other."""

    def __init__(self, directory: Path, output: Path) -> None:
        self._output = output
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKING], cwd=directory, env=environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.communicate()

    def run(self, command: Sequence[str], env: Mapping[str, str]) -> tuple[int, str]:
        """Its exit code, that of SIGALRM after SECONDS_AT_MOST; and all that it said."""
        program, *arguments = command
        script = program if program.endswith(".py") else str(VENV_BIN / program)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([script, arguments, dict(env), str(self._output)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline()), self._output.read_text()
