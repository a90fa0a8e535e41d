"""What `make run` says: that it is ready, or in one sentence why it is not."""

import ast
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launcher.launching import Run, User

Start = Callable[..., Run]


def refusal(run: Run) -> str:
    """Its last words, once it has ended as refused."""
    assert run.process.wait(30) == 1, run.said
    run.reader.wait(10)
    assert "Traceback" not in run.said
    return run.said.strip().splitlines()[-1]


def test_it_says_where_it_is_and_how_to_sign_in(start_run: Start, data_dir: Path) -> None:
    run = start_run().ready()

    assert f"Taskapp is ready: http://127.0.0.1:{run.port}/" in run.said
    assert f"Sign in as admin with the password s3cret (kept in {data_dir / 'admin-password'})" in run.said
    assert f"http://127.0.0.1:{run.port}/outbox/" in run.said
    assert "prepared with postgresql" in run.said


def test_a_taken_port(start_run: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = start_run(port=taken.getsockname()[1])
        said = refusal(run)

    assert said.startswith(f"Port {run.port} is taken by another program: choose another with PORT=")


@pytest.mark.parametrize("value", ["eighty", "0", "65536", "-1", "\uff18\uff10\uff10\uff10"])
def test_a_port_that_is_none(start_run: Start, value: str) -> None:
    run = start_run(port=value)

    assert refusal(run) == f"PORT must be a number from 1 to 65535, not {value!r}."


def test_a_second_run_with_the_same_data(start_run: Start, data_dir: Path) -> None:
    first = start_run().ready()

    second = start_run(port=first.port)

    assert f"(process {first.process.pid}, port {first.port})" in refusal(second)


def test_a_database_that_cannot_be_prepared(start_run: Start, data_dir: Path) -> None:
    run = start_run(FAKE_PREPARE="fail")

    assert refusal(run).startswith("The database could not be prepared (manage.py prepare ended with 1)")
    assert "the migration is not possible" in run.said
    assert run.is_all_gone()


@pytest.mark.parametrize(
    ("variable", "url", "complaint"),
    [
        ("DATABASE_URL", "mysql://u:hidden@localhost/d", "DATABASE_URL must look like postgresql://"),
        ("DATABASE_URL", "postgresql://u:hidden@localhost:x/d", "DATABASE_URL must look like postgresql://"),
        ("DATABASE_URL", "postgresql://u:hidden@127.0.0.1:1/d", "DATABASE_URL points at 127.0.0.1:1, where nothing"),
        (
            "DATABASE_URL",
            "postgresql://u:hidden@no.such.host.invalid/d",
            "DATABASE_URL points at no.such.host.invalid:5432",
        ),
        ("REDIS_URL", "http://:hidden@localhost/0", "REDIS_URL must look like redis://"),
        ("REDIS_URL", "redis://:hidden@127.0.0.1:1/0", "REDIS_URL points at 127.0.0.1:1, where nothing"),
        ("REDIS_URL", "redis://", "REDIS_URL must look like redis://"),
    ],
)
def test_a_wrong_address(start_run: Start, variable: str, url: str, complaint: str) -> None:
    run = start_run(**{variable: url})

    said = refusal(run)

    assert said.startswith(complaint)
    assert "hidden" not in run.said


def test_with_both_addresses_given_nothing_is_embedded(
    start_run: Start, start_user: Callable[..., User], tmp_path: Path
) -> None:
    elsewhere = start_user()
    place = tmp_path / "without servers"

    run = start_run(place=place, DATABASE_URL=elsewhere.database, REDIS_URL=elsewhere.broker).ready()

    assert not (place / "postgres").exists()
    assert not (place / "servers.lock").exists()
    assert "Starting PostgreSQL" not in run.said


def test_an_old_python_is_told_what_to_do(checkout: Path) -> None:
    for name in ("__init__.py", "__main__.py"):
        ast.parse((checkout / "launcher" / name).read_text(encoding="utf-8"), feature_version=(3, 6))
