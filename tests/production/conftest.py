"""The content of the image, made as the Dockerfile makes it, and servers for what runs in it."""

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings

from launcher import ports
from tests.e2e.service import broker_url
from tests.production.files import copy_context, dockerfile, image_environment
from tests.production.running import environment


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what lies in the image's /app."""
    app = tmp_path_factory.mktemp("image") / "app"
    app.mkdir()
    copy_context(app)
    (step,) = (rest for word, rest in dockerfile() if word == "RUN" and "collectstatic" in rest)
    # Bare: what the step needs, it brings along.
    made = subprocess.run(
        ["sh", "-c", step], cwd=app, env=environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return app


def with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=path))


@contextmanager
def empty_database() -> Iterator[str]:
    """The URL of a database of its own on the server of the tests."""
    name = f"production_{secrets.token_hex(4)}"
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield with_path(settings.DATABASE_URL, f"/{name}")
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    with empty_database() as url:
        yield url


@pytest.fixture
def port() -> int:
    return ports.pick()


@pytest.fixture(scope="session")
def container(image: Path, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a container of the image, with a prepared database. DATA_DIR is shared, as in compose."""
    given = {
        **image_environment(),
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DATABASE_URL": database_url,
        # A number of its own, so that no other test's worker takes these messages.
        "REDIS_URL": broker_url(number=9),
        "HOST": "127.0.0.1",
    }
    del given["PATH"]
    return environment(**given)
