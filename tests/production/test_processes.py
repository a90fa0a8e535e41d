"""Every command line of the Procfile and of docker-compose.yml really starts, in what the image holds."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from redis import Redis
from redis.exceptions import AuthenticationError

from launcher import binaries
from launcher.errors import ProgramMissingError
from tests.production.files import as_run, compose, last_stage, procfile
from tests.production.running import Service, get

pytestmark = pytest.mark.timeout(120)

Start = Callable[..., Service]
SERVICES: dict[str, Any] = compose()["services"]


@pytest.fixture(scope="module")
def prepared(image: Path, container: dict[str, str]) -> dict[str, str]:
    """The environment, after the release step."""
    released = subprocess.run(
        ["sh", "-c", procfile()["release"]], cwd=image, env=container, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert released.returncode == 0, released.stderr
    assert released.stdout == "Made the administrator admin.\n"
    return container


@pytest.fixture
def start(image: Path, prepared: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """start("web") runs that line of the Procfile."""
    with ExitStack() as stack:

        def run(name: str, **variables: str) -> Service:
            env = {**prepared, **variables}
            service = Service(procfile()[name], cwd=image, env=env, output=tmp_path / f"{name}.log")
            return stack.enter_context(service)

        yield run


def health_check(name: str, *, image: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the check of a compose service, or of the image where the service has none."""
    test = SERVICES[name].get("healthcheck", {}).get("test") or image_health_check()
    command = [as_run(word) for word in test]
    assert command.pop(0) == "CMD"
    return subprocess.run(command, cwd=image, env=env, capture_output=True, text=True, timeout=20, check=False)


def image_health_check() -> list[str]:
    (said,) = (rest for word, rest in last_stage() if word == "HEALTHCHECK")
    return ["CMD", *json.loads(said[said.index("[") :])]


def test_the_release_step_can_be_repeated(image, prepared):
    again = subprocess.run(
        SERVICES["prepare"]["command"], cwd=image, env=prepared, capture_output=True, text=True, timeout=60, check=False
    )

    assert (again.returncode, again.stdout) == (0, "")


def test_web_serves_pages_and_collected_files(start, image, prepared, port):
    url = f"http://127.0.0.1:{port}"

    web = start("web", PORT=str(port))
    web.until(lambda: get(f"{url}/readyz")[0] == 200)
    checked = health_check("web", image=image, env={**prepared, "PORT": str(port)})
    _, page = get(f"{url}/")
    (stylesheet,) = (word.split('"')[0] for word in page.split('href="') if ".css" in word.split('"')[0])
    status, _ = get(url + stylesheet)

    assert checked.returncode == 0, checked.stderr
    assert stylesheet.startswith("/static/site.")
    assert stylesheet != "/static/site.css", "the name bears the content's hash"
    assert status == 200


def test_web_stops_when_it_is_asked_to(start, port):
    web = start("web", PORT=str(port))
    web.until(lambda: get(f"http://127.0.0.1:{port}/healthz")[0] == 200)

    assert web.stop(seconds=20) == 0


def test_the_image_is_ill_without_its_web_process(image, prepared, port):
    assert health_check("web", image=image, env={**prepared, "PORT": str(port)}).returncode != 0


def test_worker_and_beat_become_healthy_together(start, image, prepared, port):
    web = start("web", PORT=str(port))
    worker = start("celery-worker")
    worker.until_it_says(" ready.")
    beat = start("celery-beat")
    beat.until_it_says("beat: Starting...")

    for name, service in (("celery-worker", worker), ("celery-beat", beat)):
        service.until(lambda name=name: health_check(name, image=image, env=prepared).returncode == 0)
    web.until(lambda: get(f"http://127.0.0.1:{port}/healthz/reminders")[0] == 200)


@pytest.mark.parametrize("name", ["celery-worker", "celery-beat"])
def test_who_has_not_answered_is_ill(image, prepared, name):
    unknown = [*SERVICES[name]["healthcheck"]["test"][1:-1], "somebody else"]

    checked = subprocess.run(unknown, cwd=image, env=prepared, capture_output=True, text=True, timeout=20, check=False)

    assert checked.returncode == 1
    assert checked.stderr == "somebody else has not answered for two minutes\n"


@pytest.mark.parametrize(("name", "sign"), [("celery-worker", " ready."), ("celery-beat", "beat: Starting...")])
def test_it_stops_well_within_its_time(start, name, sign):
    service = start(name)
    service.until_it_says(sign)
    allowed = int(SERVICES[name].get("stop_grace_period", "10s").removesuffix("s"))

    service.stop(seconds=allowed)


def test_the_time_to_stop_is_longer_than_the_worker_takes():
    worker = SERVICES["celery-worker"]

    assert worker["environment"]["REMAP_SIGTERM"] == "SIGQUIT"
    assert int(worker["stop_grace_period"].removesuffix("s")) > settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT + 5


def test_flower_wants_its_password(start, image, prepared, port):
    url = f"http://127.0.0.1:{port}/"
    right = "Basic " + base64.b64encode(b"ann:s3cret").decode()
    wrong = "Basic " + base64.b64encode(b"ann:guess").decode()

    flower = start("flower", FLOWER_BASIC_AUTH="ann:s3cret", FLOWER_PORT=str(port))
    flower.until(lambda: get(url)[0])

    assert get(url)[0] == 401
    assert get(url, authorization=wrong)[0] == 401
    assert get(url, authorization=right)[0] == 200
    assert get(f"{url}api/workers")[0] == 401
    assert get(f"{url}healthcheck")[0] == 200
    assert "s3cret" not in Path(f"/proc/{flower.process.pid}/cmdline").read_text()


@pytest.mark.parametrize("file", ["Procfile", "docker-compose.yml"])
def test_flower_does_not_start_without_a_password(image, prepared, file):
    command = ["sh", "-c", procfile()["flower"]] if file == "Procfile" else SERVICES["flower"]["command"]

    refused = subprocess.run(
        [as_run(word) for word in command], cwd=image, env={**prepared, "FLOWER_BASIC_AUTH": ""},
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip

    assert refused.returncode != 0
    assert "FLOWER_BASIC_AUTH" in refused.stderr


def test_redis_is_durable_and_asks_for_its_password(tmp_path, port):
    """With the server's program at hand in place of the image's, on another port."""
    try:
        program = binaries.valkey()
    except ProgramMissingError as missing:
        pytest.skip(str(missing))
    stand_in = tmp_path / "valkey-server"
    stand_in.write_text(f'#!/bin/sh\nexec "{program}" "$@" --port {port} --bind 127.0.0.1\n')
    stand_in.chmod(0o700)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "REDIS_PASSWORD": "s3cret"}
    command = [as_run(word) for word in SERVICES["redis"]["command"]]

    with (
        Service(command, cwd=tmp_path, env=env, output=tmp_path / "log") as service,
        Redis(port=port, password="s3cret") as redis,
        Redis(port=port) as stranger,
    ):
        service.until_it_says("Ready to accept connections")
        stored = redis.config_get("appendonly", "appendfsync", "maxmemory-policy")
        with pytest.raises(AuthenticationError):
            stranger.ping()
        command_line = Path(f"/proc/{service.process.pid}/cmdline").read_text()

    assert stored == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
    assert "s3cret" not in command_line


def test_procfile_and_compose_start_the_same():
    image_command = json.loads(next(rest for word, rest in reversed(last_stage()) if word == "CMD"))

    def by_compose(name: str) -> str:
        return " ".join(map(as_run, SERVICES[name].get("command", image_command))).removeprefix("sh -c ").strip()

    def by_procfile(name: str) -> str:
        """Without what the shell does around it."""
        return re.sub(r'^exec env \w+=(".*?"|\S+) |^exec ', "", procfile()[name])

    assert by_procfile("release") == by_compose("prepare")
    for name in ("web", "celery-worker", "celery-beat"):
        assert by_procfile(name) == by_compose(name)
    assert by_procfile("flower").replace("${HOST:-127.0.0.1}", "$HOST") == by_compose("flower")
