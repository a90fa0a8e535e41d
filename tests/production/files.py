"""What the files for production say: Dockerfile, compose file, Procfile, .env.example; and what the code reads."""

import ast
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
INTERNAL = {"DJANGO_SETTINGS_MODULE", "PROMETHEUS_MULTIPROC_DIR", "EMBEDDED", "MAKELEVEL", "PYTHONDONTWRITEBYTECODE"}
"""Variables that processes pass to each other, and nobody sets."""


def text(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def dockerfile() -> list[tuple[str, str]]:
    """Instructions and what they say, in order; lines that are continued are joined."""
    lines = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text("Dockerfile"))).splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def last_stage() -> list[tuple[str, str]]:
    """The instructions of the image itself."""
    instructions = dockerfile()
    start = max(place for place, (word, _) in enumerate(instructions) if word == "FROM")
    return instructions[start:]


def image_environment() -> dict[str, str]:
    said = " ".join(rest for word, rest in last_stage() if word == "ENV")
    return dict(pair.split("=", 1) for pair in shlex.split(said))  # type: ignore[misc]


def copy_context(target: Path) -> None:
    """What `COPY . .` brings into the image: the context, less what .dockerignore keeps out of it."""
    rules = [line for line in text(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*", "everything stays out but what is named"
    assert rules[-2:] == ["**/*.mo", "**/__pycache__"]
    for name in (rule.removeprefix("!") for rule in rules[1:-2]):
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("*.mo", "__pycache__"))
        else:
            shutil.copy(source, target / name)


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text("docker-compose.yml"))
    return loaded


def as_run(argument: str) -> str:
    """A word of a compose file as the container gets it."""
    return argument.replace("$$", "$")


def procfile() -> dict[str, str]:
    lines = [line for line in text("Procfile").splitlines() if line and not line.startswith("#")]
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines)}


def example_variables() -> dict[str, tuple[str, bool]]:
    """What .env.example holds: name, its value, and whether the line is commented out."""
    lines = re.findall(r"(?m)^(#?)([A-Z][A-Z_]*)=(.*)$", text(".env.example"))
    return {name: (value, bool(mark)) for mark, name, value in lines}


def settings_variables() -> dict[str, object]:
    """The variables that config/settings.py reads, with their defaults."""
    found: dict[str, object] = {}
    for node in ast.walk(ast.parse(text("config/settings.py"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("env."):
            name, default = (ast.literal_eval(argument) for argument in node.args)
            found[name] = default
    return found


def other_variables() -> dict[str, str]:
    """Those that the rest of the code reads by itself, with the default if it is written beside."""
    files = [*CHECKOUT.glob("config/**/*.py"), *CHECKOUT.glob("launcher/*.py")]
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    pattern = r"""environ\.get\(["']([A-Z_]+)["'](?:, ["']([^"']*)["'])?\)(?: or ["']([^"']*)["'])?"""
    return {name: first or second for name, first, second in re.findall(pattern, code) if name not in INTERNAL}


def compose_variables() -> set[str]:
    """What docker-compose.yml and the Procfile want to be given."""
    from_compose = re.findall(r"(?<!\$)\$\{([A-Z_]+)", re.sub(r"(?m)^\s*#.*$", "", text("docker-compose.yml")))
    return set(from_compose) | set(re.findall(r"\$\{([A-Z_]+)", "\n".join(procfile().values())))


def required_by_compose() -> set[str]:
    return set(re.findall(r"(?<!\$)\$\{([A-Z_]+):\?", text("docker-compose.yml")))
