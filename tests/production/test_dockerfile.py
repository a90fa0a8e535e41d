"""The image, as far as it can be judged without an engine."""

import re
import secrets
import subprocess
import sys
from pathlib import Path

from tests.production.files import CHECKOUT, compose, copy_context, dockerfile, image_environment, last_stage, text
from tests.production.running import environment


def said(word: str) -> list[str]:
    return [rest for name, rest in last_stage() if name == word]


def test_nothing_runs_as_root():
    (user,) = said("USER")

    assert user not in {"root", "0"}
    assert f"--gid {user}" in said("RUN")[0]


def test_it_has_a_light_health_check():
    (check,) = said("HEALTHCHECK")

    assert "/healthz'" in check
    assert "django" not in check


def test_the_command_is_the_web_process_without_a_shell():
    assert said("CMD") == ['["gunicorn", "-c", "python:config.gunicorn", "config.wsgi"]']


def test_its_data_lies_in_a_volume():
    assert said("VOLUME") == [image_environment()["DATA_DIR"]] == ["/data"]
    assert compose()["services"]["web"]["volumes"] == ["data:/data"]


def test_only_hashed_run_time_requirements_are_installed():
    (install,) = (rest for word, rest in dockerfile() if word == "RUN" and "pip install" in rest)

    assert re.findall(r"-r (\S+)", install) == ["requirements.txt", "requirements-s3.txt"]
    assert "--require-hashes" in install


def test_no_secret_stays_in_it():
    for word, rest in last_stage():
        assert not re.search(r"SECRET|PASSWORD|_URL", rest), f"{word} {rest}"


def test_what_is_not_named_stays_out(tmp_path):
    copy_context(tmp_path)

    names = {path.name for path in tmp_path.iterdir()}

    assert not names & {".env", ".data", ".git", ".venv", "tests", "docs"}
    assert {path.parent.name for path in CHECKOUT.glob("*/apps.py")} <= names


def test_the_collected_files_are_hashed_and_compressed(image):
    names = {path.name for path in (image / "staticfiles").rglob("*") if path.is_file()}

    assert "staticfiles.json" in names
    assert any(re.fullmatch(r"site\.[0-9a-f]{12}\.css\.gz", name) for name in names)


def test_the_code_is_compiled(image):
    modules = list((image / "reminders").glob("*.py"))

    compiled = {path.name.split(".")[0] for path in (image / "reminders" / "__pycache__").glob("*.pyc")}

    assert {module.stem for module in modules} <= compiled


def production(**variables: str) -> dict[str, str]:
    return environment(
        SECRET_KEY=secrets.token_urlsafe(50),
        DATABASE_URL="postgresql://taskapp:letters@127.0.0.1:1/taskapp",
        REDIS_URL="redis://:letters@127.0.0.1:1/0",
        PUBLIC_URL="https://tasks.example.org",
        EMAIL_URL="smtp+tls://user:password@mail.example.org:587",
        EMAIL_FROM="Taskapp <reminders@example.org>",
        **variables,
    )


def test_nothing_is_to_be_said_against_the_settings_of_production(image: Path):
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]

    checked = subprocess.run(
        command, cwd=image, env=production(), capture_output=True, text=True, timeout=60, check=False
    )

    assert checked.returncode == 0, checked.stderr
    assert "no issues (0 silenced)" in checked.stdout


def test_the_file_names_no_registry_and_no_latest():
    assert "latest" not in text("Dockerfile")
    for image_name in re.findall(r"(?m)^FROM (\S+)", text("Dockerfile")):
        assert re.fullmatch(r"python:3\.\d+-slim", image_name)
