"""Named points on the way of a piece of work, at which the crash tests let a process die.

`reached` does nothing: there is no setting, variable or message that makes it do anything. Only a process that was
started by the crash tests' own launcher, which is no part of an installation, replaces what stands behind it
(tests/chaos/armed.py). Every step of work/step.py is such a point, named "<kind> <step>": delivery claimed, …
"""

from collections.abc import Callable
from typing import Any


def nothing(point: str, facts: dict[str, Any]) -> None:
    """What happens at a point in production."""


at_point: Callable[[str, dict[str, Any]], None] = nothing


def reached(point: str, **facts: Any) -> None:
    """Say that this process has come to `point`."""
    at_point(point, facts)
