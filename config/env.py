"""Reads the environment. Every bad value is told at once, in sentences, and the process does not start."""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from socket import gethostname
from typing import Any, NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import psycopg
from environs import EnvError, FileAwareEnv, ValidationError, validate
from prometheus_client import values
from psycopg.conninfo import conninfo_to_dict

from config.counts import write_counts
from launcher import secret_key
from launcher.places import make_data_dir
from mail.addresses import AddressError, Mailbox, read_mailbox
from mail.domains import DomainError, host_to_ascii
from mail.message import Mail

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
# Of which 45 % must fit into CELERY_TASK_SOFT_TIME_LIMIT (reminders/last_check.py, attachments/scanning.py).
lease_of_a_job = validate.Range(min=1, max=200, error="must be a whole number from 1 to 200.")


def spans(given: str) -> None:
    """Accept whole numbers of 1 or more, with commas between them."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}(,[1-9][0-9]{0,8})*", given):
        raise ValidationError("must be whole numbers of 1 or more, comma-separated.")


def ehlo_name(name: str) -> None:
    """Accept a host name, or an address in brackets (RFC 5321, 4.1.1.1)."""
    if name and not re.fullmatch(r"\[[0-9A-Za-z.:]+\]|[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?", name):
        raise ValidationError("must be a host name such as mail.example.org, or an address such as [192.0.2.1].")


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
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(metrics_dir / gethostname()))
    write_counts()
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


SERVICE = "PGSERVICE"  # libpq's own variable


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
    ports = [port or "5432" for port in str(given.get("port") or "").split(",")]  # libpq's default, for any of them
    if not all(port.isdecimal() and int(port) <= 65535 for port in ports):
        refuse(f"DATABASE_URL has a port that is no port number; it looks like {example}.")
    if "," in f"{given.get('host') or ''}{given.get('hostaddr') or ''}":
        given.setdefault("target_session_attrs", "read-write")
    if any("," in value and name not in given for name, value in defaults_of_libpq(given.get("service")).items()):
        refuse("DATABASE_URL must name the hosts itself where there are several, not a service or PGHOST.")
    if given.get("target_session_attrs", "any") not in {"any", "read-write", "primary"}:
        refuse("DATABASE_URL must lead to a server that takes writes: target_session_attrs=read-write, or primary.")
    if not str(given.get("connect_timeout", 1)).isdecimal() or int(given.get("connect_timeout", 1)) < 1:
        refuse("DATABASE_URL: connect_timeout must be a whole number of seconds, 1 or more, for all hosts together.")
    return {
        "ENGINE": "config.postgresql",
        "NAME": given.pop("dbname"),
        "USER": given.pop("user", ""),
        "PASSWORD": given.pop("password", ""),
        "HOST": given.pop("host", ""),
        "PORT": given.pop("port", ""),
        "OPTIONS": given,
    }


def defaults_of_libpq(service: str | None) -> dict[str, str]:
    """The hosts that libpq takes from a service (that one, or PGSERVICE) and from PGHOST and PGHOSTADDR."""
    before = os.environ.get(SERVICE)
    try:
        if service:
            os.environ[SERVICE] = service  # libpq looks up no other
        options = {option.keyword.decode(): option.val or b"" for option in psycopg.pq.Conninfo.get_defaults()}
    finally:
        os.environ.pop(SERVICE, None)
        if before is not None:
            os.environ[SERVICE] = before
    return {name: options[name].decode() for name in ("host", "hostaddr")}


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
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not re.fullmatch(r"[ -~]*", user + password):  # smtplib sends no others
        refuse("EMAIL_URL has a user or password with characters outside ASCII, which cannot be sent to a mail server.")
    return {
        "host": ascii_host("EMAIL_URL", str(parts.hostname)),
        "port": parts.port or port,
        "security": security,
        "user": user,
        "password": password,
    }


def public_url(url: str) -> str:
    """The origin under which people reach the service, as browsers send it: no trailing slash, its host in ASCII."""
    parts = parts_of(url)
    more = parts and (parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None)
    if parts is None or parts.scheme not in {"http", "https"} or more:
        refuse("PUBLIC_URL must be the address in the browser without a path, such as https://tasks.example.org.")
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{in_url(ascii_host('PUBLIC_URL', str(parts.hostname)))}{port}"


def allowed_hosts(names: Iterable[str], public_url: str) -> list[str]:
    """As the header Host has them. `.example.org` stands for its subdomains, too."""
    own = in_url(str(urlsplit(public_url).hostname))
    return [*map(allowed_host, names), "localhost", "127.0.0.1", "[::1]", own]


def allowed_host(name: str) -> str:
    if name == "*" or name.startswith("["):
        return name
    dot = "." if name.startswith(".") else ""
    return dot + in_url(ascii_host("ALLOWED_HOSTS", name.removeprefix(".")))


def ascii_host(variable: str, host: str) -> str:
    try:
        return host_to_ascii(host)
    except DomainError as error:
        refuse(f"{variable} has a host that cannot be used: {error}.")


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def sender(text: str) -> Mailbox:
    """Whom mails come from."""
    try:
        return read_mailbox(text)
    except AddressError as error:
        refuse(f"EMAIL_FROM must be an address, such as Taskapp <reminders@example.org>: {error}.")


def write_test_message(sender: Mailbox, public_url: str) -> None:
    """Write one message from the settings, as reminders are written: what fails there would fail for each of them."""
    links = {"List-Unsubscribe": f"<{public_url}/unsubscribe/1:x/>"}
    try:
        Mail(
            sender=sender, to=(sender,), subject=sender.name, date=datetime.now(UTC), message_id=f"<1@{sender.domain}>",
            text=public_url, page=public_url, others=links,
        ).as_bytes()  # fmt: skip
    except ValueError as error:
        refuse(f"no mail can be written with these EMAIL_FROM and PUBLIC_URL: {error}.")


def virus_scanner(url: str) -> dict[str, Any]:
    """Where clamd listens: a path, or a host and a port (attachments.clamd.Address)."""
    if url.startswith("unix:///") and not url.endswith("/"):
        return {"path": url.removeprefix("unix://")}
    parts = parts_of(url)
    if parts is None or parts.scheme != "tcp" or parts.path.strip("/"):
        refuse("CLAMD_URL must be unix:///run/clamav/clamd.ctl or tcp://host:3310.")
    return {"host": parts.hostname, "port": parts.port or 3310}


def attachment_storage(url: str, directory: Path) -> dict[str, Any]:
    """Django's STORAGES entry for attachments: a directory without a URL, else a bucket that speaks S3.

    s3://key:secret@endpoint.example.org/bucket?region=eu-1; s3+http:// for an endpoint without TLS. Without a key the
    machine's own credentials are used.
    """
    if url:
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": bucket(url)}
    options = {"location": directory, "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
    return {"BACKEND": "attachments.files.DurableFileSystemStorage", "OPTIONS": options}


def bucket(url: str) -> dict[str, Any]:
    """The options of django-storages' S3Storage."""
    parts = parts_of(url)
    name = parts.path.strip("/") if parts else ""
    given = dict(parse_qsl(parts.query, keep_blank_values=True)) if parts else {}
    if parts is None or parts.scheme not in {"s3", "s3+http"} or not name or "/" in name or given.keys() - {"region"}:
        refuse(
            "ATTACHMENT_STORAGE_URL must be s3://key:secret@endpoint.example.org/bucket?region=eu-1, "
            "with key and secret percent-encoded."
        )
    if bool(parts.username) != bool(parts.password):
        refuse("ATTACHMENT_STORAGE_URL must have both a key and a secret, or neither.")
    if find_spec("storages") is None or find_spec("boto3") is None:
        refuse("ATTACHMENT_STORAGE_URL needs what requirements-s3.txt lists: pip install -r requirements-s3.txt.")
    from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 (optional, and slow to import)
    from botocore.config import Config  # noqa: PLC0415

    return {
        "bucket_name": name,
        "endpoint_url": f"{'https' if parts.scheme == 's3' else 'http'}://{parts.netloc.rpartition('@')[2]}",
        "access_key": unquote(parts.username) if parts.username else None,
        "secret_key": unquote(parts.password) if parts.password else None,
        "region_name": given.get("region") or None,
        "default_acl": None,
        "file_overwrite": True,  # keys are random: asking first whether one is taken would only cost a request
        "object_parameters": {"ContentType": "application/octet-stream"},  # never what the uploader says it is
        "max_memory_size": 2**20,  # of what is read; the rest goes to the disk
        # One request for each file, since of one that is sent in parts some can stay behind unseen. No threads.
        "transfer_config": TransferConfig(multipart_threshold=5 * 2**30, use_threads=False, num_download_attempts=2),
        "client_config": Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            # A bucket that does not answer holds a web thread for half a minute: twice, each with its own patience.
            connect_timeout=3,
            read_timeout=15,
            retries={"mode": "standard", "total_max_attempts": 2},
            # The checksums that botocore adds by itself are unknown to some servers that speak S3; we have our own.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    }
