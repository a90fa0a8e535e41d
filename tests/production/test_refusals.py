"""A setting that cannot be right stops every process at once, with a sentence that names it."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.production.preloaded import Preloaded
from tests.production.running import environment

GOOD = {
    "SECRET_KEY": "a long random text, as far as this test is concerned",
    "DATABASE_URL": "postgresql://taskapp:hidden@127.0.0.1:1/taskapp",
    "REDIS_URL": "redis://:hidden@127.0.0.1:1/0",
}
PROGRAMS = {
    "manage.py": ["manage.py", "check"],
    "gunicorn": ["gunicorn", "-c", "python:config.gunicorn", "config.wsgi"],
    "celery": ["celery", "-A", "config", "worker"],
}
BAD = [
    ("SECRET_KEY", ""),
    ("ALLOWED_HOSTS", "*"),
    ("ALLOWED_HOSTS", "tasks.example.org,i❤.ws"),
    ("DATABASE_URL", "mysql://taskapp:hidden@localhost/taskapp"),
    ("DATABASE_URL", "postgresql://taskapp:hidden@localhost"),
    ("DATABASE_URL", "postgresql://taskapp:hidden@localhost:port/taskapp"),
    ("REDIS_URL", "http://:hidden@localhost:6379/0"),
    ("REDIS_URL", "redis://:hidden@localhost:port/0"),
    ("EMAIL_URL", "localhost"),
    ("EMAIL_URL", "smtp://user:hidden@localhost:port"),
    ("EMAIL_URL", "smtp://user:hidden@i❤.ws"),
    ("EMAIL_URL", "smtp://user:hidden%C3%BC@localhost"),
    ("EMAIL_URL", "smtp://user:hidden%00@localhost"),
    ("EMAIL_FROM", "nobody"),
    ("EMAIL_FROM", "=?utf-8?q?x?=@example.org"),
    ("EMAIL_FROM", "Taskapp <reminders@i❤.ws>"),
    ("PUBLIC_URL", "tasks.example.org"),
    ("PUBLIC_URL", "http://["),
    ("PUBLIC_URL", "https://user:hidden@tasks.example.org"),
    ("PUBLIC_URL", "https://i❤.ws"),
    ("TIME_ZONE", "Mars/Olympus_Mons"),
    ("PORT", "eighty"),
    ("PORT", "65536"),
    ("DEBUG", "perhaps"),
    ("REMINDER_WINDOW_HOURS", "0"),
    ("REMINDER_CHECK_INTERVAL_MINUTES", "soon"),
    ("ATTACHMENT_MAX_MB", "0"),
    ("WEB_CONNECTIONS", "9"),
    ("WEB_HEAD_SECONDS", "0"),
    ("WEB_BODY_SECONDS", "soon"),
    ("WEB_BODY_BYTES_PER_SECOND", "0"),
    ("WEB_STALL_SECONDS", "0"),
    ("DELIVERY_LEASE_SECONDS", "201"),
    ("DELIVERY_REPEAT_SECONDS", "60,soon"),
    ("EMAIL_EHLO_NAME", "two words"),
    ("ATTACHMENT_LEASE_SECONDS", "201"),
    ("SCAN_POLICY", "perhaps"),
    ("CLAMD_URL", "localhost:3310"),
    ("CLAMD_URL", "unix://run/clamav/clamd.ctl"),
    ("CLAMD_URL", "unix:///"),
    ("CLAMD_URL", "tcp://localhost:port"),
    ("CLAMD_URL", "tcp://localhost/run/clamav/clamd.ctl"),
    ("ATTACHMENT_STORAGE_URL", "/srv/attachments"),
    ("ATTACHMENT_STORAGE_URL", "https://key:hidden@localhost/bucket"),
    ("ATTACHMENT_STORAGE_URL", "s3://key:hidden@localhost"),
    ("ATTACHMENT_STORAGE_URL", "s3://key:hidden@localhost/bucket/folder"),
    ("ATTACHMENT_STORAGE_URL", "s3://key:hidden/with-a-slash@localhost/bucket"),
    ("ATTACHMENT_STORAGE_URL", "s3://key:hidden@localhost/bucket?regoin=eu-1"),
    ("ATTACHMENT_STORAGE_URL", "s3://hidden@localhost/bucket"),
]

BUCKET = {"ATTACHMENT_STORAGE_URL": "s3://key:hidden@127.0.0.1:1/bucket?region=eu-1"}

# manage.py is shown every value, the other two one of each variable.
CASES = [("manage.py", *bad) for bad in BAD]
CASES += [(program, variable, value) for program in ("gunicorn", "celery") for variable, value in dict(BAD).items()]


@pytest.fixture(scope="session")
def free_port() -> str:
    """Where nothing listens, so that a gunicorn that starts after all does not fail for another reason."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def preloaded(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preloaded]:
    with Preloaded(image, tmp_path_factory.mktemp("said") / "said") as programs:
        yield programs


@pytest.mark.parametrize(("program", "variable", "value"), CASES)
def test_it_says_what_to_correct(preloaded: Preloaded, program: str, variable: str, value: str, free_port: str):
    code, said = preloaded.run(PROGRAMS[program], environment(**{**GOOD, "PORT": free_port, variable: value}))

    assert code == 1, said
    assert "Traceback" not in said
    assert "hidden" not in said
    assert variable in sentence(said)


def test_a_bucket_without_the_packages_for_it_is_refused(image: Path, tmp_path: Path):
    """As after `pip install -r requirements.txt` alone."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['storages'] = None\n")

    code, said = run("manage.py", image, environment(**GOOD, **BUCKET, PYTHONPATH=str(tmp_path)))

    assert code == 1, said
    assert "hidden" not in said
    assert "ATTACHMENT_STORAGE_URL needs what requirements-s3.txt lists" in sentence(said)


def test_a_bucket_is_taken_without_being_asked(image: Path):
    code, said = run("manage.py", image, environment(**GOOD, **BUCKET))

    assert code == 0, said


def test_secrets_of_attachments_can_come_from_a_file(image: Path, tmp_path: Path):
    (tmp_path / "url").write_text("nonsense\n")
    env = environment(**GOOD, ATTACHMENT_STORAGE_URL_FILE=str(tmp_path / "url"))
    del env["ATTACHMENT_STORAGE_URL"]

    code, said = run("manage.py", image, env)

    assert code == 1, said
    assert "ATTACHMENT_STORAGE_URL must be s3://" in sentence(said)


def run(program: str, image: Path, env: dict[str, str]) -> tuple[int, str]:
    """Its exit code, and all that it said."""
    done = subprocess.run(
        [sys.executable, *PROGRAMS[program]], cwd=image, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def sentence(said: str) -> str:
    """The one thing that is ours in what a program printed; it may take a second line."""
    lines = said.strip().splitlines()
    (start,) = (number for number, line in enumerate(lines) if line.startswith("taskapp: "))
    return " ".join(lines[start : start + 2])
