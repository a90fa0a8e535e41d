"""The failpoints that the product has, read from its source."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ["work", "accounts", "taskapp", "attachments", "reminders", "schedules", "config"]

# Where the name of a step stands among the arguments.
STEP_NAME = {"step": 1, "end": 2, "release": 3, "hand_back": 3}

LEASED = ["delivery", "scan", "thumbnailing"]
"""What takes a step where that is no literal: each of these, or the one whose model is named."""


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def in_product() -> set[str]:
    """Every literal reached("…"), and every step that is named by a literal, as "<kind> <step>"."""
    return {point for _, tree in sources() for function in functions(tree) for point in points_of(function)}


def functions(tree: ast.Module) -> Iterator[ast.AST]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def points_of(function: ast.AST) -> Iterator[str]:
    for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", None) or getattr(call.func, "attr", "")
        if name == "reached":
            yield from literals(call.args[0], function)
        elif name in STEP_NAME and len(call.args) > STEP_NAME[name]:
            steps = literals(call.args[STEP_NAME[name]], function)
            yield from (f"{kind} {step}" for kind in kinds_of(name, call.args[0], function) for step in steps)


def kinds_of(name: str, first: ast.AST, function: ast.AST) -> list[str]:
    if name == "end":  # reminders.last_check.end
        return ["delivery"]
    model = ast.unparse(first).lower()
    return literals(first, function) or ([model] if model in LEASED else LEASED)


def literals(expression: ast.AST, function: ast.AST) -> list[str]:
    """What text it can be, as far as the function itself says."""
    if isinstance(expression, ast.Constant):
        return [expression.value] if isinstance(expression.value, str) else []
    if isinstance(expression, ast.IfExp):
        return literals(expression.body, function) + literals(expression.orelse, function)
    if isinstance(expression, ast.Name):
        return [
            text
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == expression.id
            for text in literals(node.value, function)
        ]
    return []
