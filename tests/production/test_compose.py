"""docker-compose.yml, as far as it can be checked without an engine."""

import os
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from reminders.sweep import BELL
from reminders.wake import BEAT
from tests.production.files import CHECKOUT, as_run, compose, required_by_compose, settings_variables, text

SERVICES: dict[str, Any] = compose()["services"]
OURS = {"web", "celery-worker", "celery-beat", "flower"}
FILLED_IN = {
    "SECRET_KEY": "a-long-random-text",
    "PUBLIC_URL": "https://tasks.example.org",
    "POSTGRES_PASSWORD": "letters1",
    "REDIS_PASSWORD": "letters2",
}


Compose = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def docker_compose(tmp_path) -> Compose:
    """Debian's docker-compose on the file, with the variables given alone: a .env of the checkout is not looked at."""
    (tmp_path / "empty.env").touch()

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker-compose", "--env-file", tmp_path / "empty.env", *arguments],
            cwd=CHECKOUT, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


@pytest.mark.system("docker-compose")
def test_compose_takes_the_file(docker_compose: Compose):
    checked = docker_compose("config", "--quiet", **FILLED_IN)

    assert checked.returncode == 0, checked.stderr


@pytest.mark.system("docker-compose")
def test_it_finds_every_service(docker_compose: Compose):
    found = docker_compose("--profile", "flower", "--profile", "antivirus", "config", "--services", **FILLED_IN)

    assert set(found.stdout.split()) == {"prepare", "postgres", "redis", "clamav"} | OURS


def test_flower_and_the_scanner_are_started_only_when_asked_for():
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "flower": ["flower"], "clamav": ["antivirus"]
    }  # fmt: skip


@pytest.mark.system("docker-compose")
@pytest.mark.parametrize("missing", sorted(FILLED_IN))
def test_it_refuses_without_what_is_required_and_names_it(docker_compose: Compose, missing: str):
    refused = docker_compose("config", "--quiet", **{**FILLED_IN, missing: ""})

    assert refused.returncode != 0
    assert f": set {missing} to " in refused.stderr.splitlines()[-1]


def test_every_setting_is_passed_on():
    """Where the container listens and has its data is the image's to say."""
    own = {"HOST", "PORT", "DATA_DIR"}

    assert set(settings_variables()) - own <= set(SERVICES["web"]["environment"])


def test_what_is_required_is_known():
    assert required_by_compose() == set(FILLED_IN)


def test_no_password_stands_in_the_file():
    for name, service in SERVICES.items():
        for variable, value in service["environment"].items():
            if any(word in variable for word in ("PASSWORD", "SECRET", "AUTH")):
                assert value.startswith("${"), f"{name}: {variable}"


def test_it_is_published_on_this_machine_only():
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert port.startswith("${HOST:-127.0.0.1}:"), name


def test_servers_are_not_published():
    """To clamd anybody who reaches it may say what it shall do, SHUTDOWN included."""
    for name in ("postgres", "redis", "clamav"):
        assert "ports" not in SERVICES[name], name


def test_everything_comes_back_but_the_preparation_runs_once():
    for name, service in SERVICES.items():
        assert service["restart"] == ("no" if name == "prepare" else "unless-stopped"), name


def test_everything_has_a_health_check():
    for name, service in SERVICES.items():
        # That of web is the image's.
        assert name in {"prepare", "web"} or service["healthcheck"]["test"], name


def test_ours_wait_for_the_preparation_and_the_broker():
    for name in OURS:
        wanted = SERVICES[name]["depends_on"]
        assert wanted["prepare"] == {"condition": "service_completed_successfully"}, name
        assert wanted["redis"] == {"condition": "service_healthy"}, name
    assert SERVICES["prepare"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_ours_have_a_first_process_that_buries_the_dead():
    for name in OURS:
        assert SERVICES[name]["init"] is True


def test_ours_share_the_data_directory():
    """Where the outbox lies, and the counts that /metrics adds up."""
    for name in OURS | {"prepare"}:
        assert SERVICES[name]["volumes"] == ["data:/data"]


def test_nothing_waits_for_the_scanner():
    for name, service in SERVICES.items():
        assert "clamav" not in service.get("depends_on", {}), name


def test_the_scanner_is_pinned_bounded_and_keeps_its_signatures():
    assert re.fullmatch(r"clamav/clamav:\d+\.\d+", SERVICES["clamav"]["image"])
    assert SERVICES["clamav"]["mem_limit"] == "4g"
    assert SERVICES["clamav"]["volumes"] == ["clamav:/var/lib/clamav"]


def test_what_the_scanner_cannot_look_into_is_not_clean_to_it():
    assert SERVICES["clamav"]["environment"]["CLAMD_CONF_AlertExceedsMax"] == "yes"


def test_the_address_of_the_scanner_that_is_documented_is_the_one_it_has():
    for page in (".env.example", "docker-compose.yml", "docs/operations.md"):
        assert "tcp://clamav:3310" in text(page), page


def test_postgres_keeps_its_data_where_version_18_puts_it():
    assert SERVICES["postgres"]["image"] == "postgres:18"
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]


def test_the_health_checks_of_worker_and_beat_ask_for_rows_that_are_written():
    assert as_run(SERVICES["celery-worker"]["healthcheck"]["test"][-1]) == BELL
    assert as_run(SERVICES["celery-beat"]["healthcheck"]["test"][-1]) == BEAT
