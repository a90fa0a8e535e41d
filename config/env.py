"""Reads the environment. Every bad value is told at once, in sentences, and the process does not start."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from socket import gethostname
from typing import Any, NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

import psycopg
from environs import EnvError, FileAwareEnv, validate
from prometheus_client import values
from psycopg.conninfo import conninfo_to_dict

from launcher import secret_key
from launcher.places import make_data_dir

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def refuse(sentence: str) -> NoReturn:
    """Stop the start. Printed here because gunicorn and Celery swallow the text of a SystemExit."""
    print(f"taskapp: {sentence}", file=sys.stderr)
    sys.exit(1)


class Environment(FileAwareEnv):
    """The environment, with `X_FILE` for secrets. An empty variable, as compose files pass them, is not set."""

    def _get_value(self, env_key: str, default: Any) -> Any:
        try:
            return super()._get_value(env_key, default) or default
        except ValueError as error:
            refuse(str(error))


def read(base_dir: Path) -> Environment:
    """The environment, and beneath it the checkout's .env file if there is one."""
    env = Environment(eager=False, strip_whitespace=True)
    env.read_env(str(base_dir / ".env"), recurse=False)
    return env


def seal(env: FileAwareEnv) -> None:
    """Report every value that did not parse, together."""
    try:
        env.seal()
    except EnvError as error:
        problems: Mapping[str, Any] = getattr(error, "error_messages", {"environment": [str(error)]})
        lines = [f"{name}: {' '.join(map(str, texts))}" for name, texts in problems.items()]
        refuse("these settings cannot be used; correct or remove them:\n  " + "\n  ".join(lines))


LOG_LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
SCHEDULERS = {"schedules.scheduler:LedgerScheduler", "django_celery_beat.schedulers:DatabaseScheduler"}
at_least_zero = validate.Range(min=0, error="must be a whole number of 0 or more.")
at_least_one = validate.Range(min=1, error="must be a whole number of 1 or more.")
at_least_ten = validate.Range(min=10, error="must be a whole number of 10 or more.")
port = validate.Range(min=1, max=65535, error="must be a port number from 1 to 65535.")


def one_of(choices: Iterable[str], what: str) -> validate.OneOf:
    """Accept the choices only; the message names what they are, not all 600 of them."""
    return validate.OneOf(list(choices), error=f"must be {what}, not '{{input}}'.")


def process_name() -> str:
    """What pg_stat_activity shows for this process: taskapp gunicorn, taskapp celery, taskapp manage.py, …"""
    return f"taskapp {Path(sys.argv[0]).name or 'python'}"


def is_service_process() -> bool:
    """Whether this is a web, worker or beat process, not a command or a test."""
    return Path(sys.argv[0]).name in {"gunicorn", "celery"}


def count_in_files(metrics_dir: Path) -> None:
    """Have prometheus-client count in files, which /metrics adds up.

    It decides when it is imported, and Flower's plug-in imports it before `celery` reads any setting: decide again.
    """
    own = Path(os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(metrics_dir / gethostname())))
    own.mkdir(parents=True, exist_ok=True)
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


def kept_secret_key(data_dir: Path, *, may_make: bool) -> str:
    """The key in DATA_DIR, made on the first start with private servers. Production brings its own."""
    if not may_make and not secret_key.path_in(data_dir).exists():
        refuse(
            "SECRET_KEY is missing; set it to a long random text, for example the output of "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'."
        )
    make_data_dir(data_dir)
    return secret_key.keep(data_dir)


def database(url: str) -> dict[str, Any]:
    """Django's DATABASES entry for a libpq URL, parsed by libpq itself.

    The URL helpers on offer each get a form wrong (several hosts, a socket directory, %2F).
    """
    example = "postgresql://user:password@host:5432/name"
    try:
        given: dict[str, Any] = dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:  # its text holds the URL, and that the password
        refuse(f"DATABASE_URL is not a PostgreSQL URL; it looks like {example}.")
    if not url.startswith(("postgresql://", "postgres://")) or not given.get("dbname"):
        refuse(f"DATABASE_URL must be {example}, with a database name.")
    if not all(port.isdecimal() and int(port) <= 65535 for port in str(given.get("port") or "5432").split(",")):
        refuse(f"DATABASE_URL has a port that is no port number; it looks like {example}.")
    return {
        "ENGINE": "config.postgresql",
        "NAME": given.pop("dbname"),
        "USER": given.pop("user", ""),
        "PASSWORD": given.pop("password", ""),
        "HOST": given.pop("host", ""),
        "PORT": given.pop("port", ""),
        "OPTIONS": given,
    }


def parts_of(url: str) -> SplitResult | None:
    """The parts of a URL that has a host; None if it is none, or its port is no port number."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed only when it is asked for
    except ValueError:
        return None
    return parts if parts.hostname else None


def broker(url: str) -> str:
    """The URL itself, once it is known to be one that Celery's Redis transport takes."""
    parts = parts_of(url)
    if parts is None or parts.scheme not in {"redis", "rediss"}:
        refuse("REDIS_URL must be redis://:password@host:6379/0 (or rediss:// for TLS).")
    return url


def mail_server(url: str) -> dict[str, Any]:
    """Host, port, security ("", "starttls" or "tls"), user and password of an SMTP URL."""
    parts = parts_of(url)
    kinds = {"smtp": ("", 25), "smtp+tls": ("starttls", 587), "smtps": ("tls", 465)}
    if parts is None or parts.scheme not in kinds:
        refuse(
            "EMAIL_URL must be smtp://user:password@host:25 (plain), smtp+tls://…:587 (STARTTLS) "
            "or smtps://…:465 (TLS)."
        )
    security, port = kinds[parts.scheme]
    return {
        "host": parts.hostname,
        "port": parts.port or port,
        "security": security,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }


def public_url(url: str) -> str:
    """The origin under which people reach the service, without a trailing slash."""
    parts = parts_of(url)
    if parts is None or parts.scheme not in {"http", "https"} or parts.path.strip("/"):
        refuse("PUBLIC_URL must be the address in the browser without a path, such as https://tasks.example.org.")
    return url.rstrip("/")
