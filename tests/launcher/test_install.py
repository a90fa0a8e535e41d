"""`launcher install` with tiny packages of our own, so that nothing is downloaded."""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.launcher.launching import CHECKOUT, eventually

REQUIREMENTS = ("requirements.txt", "requirements-embedded.txt", "requirements-dev.txt")


@dataclass(frozen=True)
class Clone:
    """A fresh clone, and the only place that pip looks for packages."""

    place: Path
    wheels: Path

    def install(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """By the interpreter under the tests' own virtual environment, as on a machine that has nothing
        else."""
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.Popen(
            [sys.executable, "-m", "launcher", "install", *arguments],
            cwd=self.place,
            env={**kept, **pip, "PYTHONDONTWRITEBYTECODE": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def require(self, file: str, name: str, *, content: str = "") -> None:
        wheel = make_wheel(self.wheels, name, content)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (self.place / file).write_text(f"{name}==1.0 --hash=sha256:{digest}\n")

    def has(self, name: str) -> bool:
        return bool(list((self.place / ".venv").glob(f"lib/python3*/site-packages/{name}.py")))


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    place, wheels = tmp_path / "fresh clone ü", tmp_path / "wheels"
    shutil.copytree(CHECKOUT / "launcher", place / "launcher", ignore=shutil.ignore_patterns("__pycache__"))
    wheels.mkdir()
    made = Clone(place, wheels)
    for file, name in zip(REQUIREMENTS, ("base_one", "server_one", "dev_one"), strict=True):
        made.require(file, name)
    return made


@pytest.fixture(scope="session")
def bare_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    return place


@pytest.fixture
def clone_with_venv(clone: Clone, bare_venv: Path) -> Clone:
    """Somebody has made the virtual environment, which takes longest, and installed nothing."""
    shutil.copytree(bare_venv, clone.place / ".venv", symlinks=True)
    return clone


def make_wheel(wheels: Path, name: str, content: str) -> Path:
    facts = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": content,
        f"{facts}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{facts}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in files.items()]
    wheel = wheels / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{facts}/RECORD": "\n".join([*rows, f"{facts}/RECORD,,"])}.items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def said(process: subprocess.Popen[str], code: int = 0) -> str:
    words, _ = process.communicate(timeout=120)
    assert process.returncode == code, words
    assert "Traceback" not in words
    return words


def test_what_is_missing_is_installed_and_compiled_and_nothing_twice(clone: Clone) -> None:
    first = said(clone.install())
    assert "Making .venv" in first
    assert "Everything is installed." in first
    assert clone.has("base_one")
    assert clone.has("server_one")
    assert not clone.has("dev_one")
    assert list((clone.place / ".venv").glob("lib/python3*/site-packages/__pycache__/base_one.*.pyc"))

    assert said(clone.install()) == ""

    with_dev = said(clone.install("--dev"))
    assert "requirements.txt" not in with_dev
    assert clone.has("dev_one")
    assert said(clone.install("--dev")) == said(clone.install()) == ""

    clone.require("requirements.txt", "base_two")
    assert "Making .venv" not in said(clone.install())
    assert clone.has("base_two")


def test_two_at_once_do_not_meet(clone_with_venv: Clone) -> None:
    both = [clone_with_venv.install(), clone_with_venv.install()]

    words = [said(process) for process in both]

    assert sum("Installing requirements.txt" in text for text in words) == 1
    assert any("Another installation is at work here" in text for text in words)


def test_one_that_was_killed_is_done_again(clone_with_venv: Clone) -> None:
    killed = clone_with_venv.install()
    eventually(lambda: clone_with_venv.has("base_one"), seconds=60)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (clone_with_venv.place / ".venv/launcher-stamp.json").exists()

    assert "Emptying an unfinished or unusable .venv" in said(clone_with_venv.install())
    assert clone_with_venv.has("server_one")


def test_with_both_addresses_no_server_is_installed(clone_with_venv: Clone) -> None:
    said(clone_with_venv.install(DATABASE_URL="postgresql://u:p@db/d", REDIS_URL="redis://r/0"))

    assert not clone_with_venv.has("server_one")


def test_a_platform_without_wheels_takes_its_own_servers(clone_with_venv: Clone) -> None:
    (clone_with_venv.place / "requirements-embedded.txt").write_text(f"no_such_server==1.0 --hash=sha256:{'0' * 64}\n")

    words = said(clone_with_venv.install())

    assert "No embedded servers for this platform" in words
    assert said(clone_with_venv.install()) == ""


def test_a_linked_venv_is_used_while_it_fits_and_never_written_to(clone_with_venv: Clone, tmp_path: Path) -> None:
    said(clone_with_venv.install())
    shared = (clone_with_venv.place / ".venv").rename(tmp_path / "shared")
    (clone_with_venv.place / ".venv").symlink_to(shared)
    before = {path: path.stat().st_mtime_ns for path in shared.rglob("*")}

    assert said(clone_with_venv.install()) == ""
    clone_with_venv.require("requirements.txt", "base_two")
    said(clone_with_venv.install())

    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before
    assert not (clone_with_venv.place / ".venv").is_symlink()
    assert clone_with_venv.has("base_two")
    assert clone_with_venv.has("server_one"), "of a file that had not changed"


def test_a_download_that_is_not_the_locked_one(clone_with_venv: Clone) -> None:
    make_wheel(clone_with_venv.wheels, "base_one", "print('something else')")

    words = said(clone_with_venv.install(), 1).splitlines()[-1]

    assert words.startswith("pip could not install requirements.txt (a download is not the file that was locked)")
    assert str(clone_with_venv.place / ".venv/install.log") in words


def test_no_network(clone_with_venv: Clone) -> None:
    nowhere = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "1"}
    (clone_with_venv.wheels / "base_one-1.0-py3-none-any.whl").unlink()

    words = said(clone_with_venv.install(**nowhere), 1).splitlines()[-1]

    assert words.startswith("The packages could not be downloaded: check the network")


def test_a_python_without_its_venv_module(clone: Clone) -> None:
    """As Debian packs it."""
    (clone.place / "sitecustomize.py").write_text("import sys\nsys.modules['ensurepip'] = None\n")

    words = said(clone.install(PYTHONPATH=str(clone.place)), 1)

    assert "apt install python3-venv" in words


def test_a_full_disk(clone: Clone) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    (clone.place / ".venv").mkdir()
    mount = 'mount -t tmpfs -o size=3m none .venv && touch .venv/launcher-installing && exec "$@"'

    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", sys.executable, "-m", "launcher", "install"],
        cwd=clone.place,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "The disk is full: make room where" in done.stderr
