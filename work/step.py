"""One step of a piece of work, said once: a line in the row's history, a log line and a count.

The names of the steps are one vocabulary for the history that a person reads, for the log and for the metrics.
`note` (SQL) and `noted` (ORM) write the history inside the statement that takes the step, so that a row and its
history cannot disagree; `step` tells the rest of the world, once the statement has been carried out.
"""

from datetime import timedelta
from typing import Any

import structlog
from django.db.models import DateTimeField, DurationField, F, Func, JSONField, Value
from django.db.models.expressions import CombinedExpression
from prometheus_client import Counter

from work.failpoints import reached

log = structlog.get_logger("work")

STEPS = Counter("taskapp_steps", "Steps taken by pieces of work.", ["kind", "step"])


def step(kind: str, name: str, *, rows: int = 1, **facts: Any) -> None:
    """Log and count a step that `rows` rows of a kind ("delivery", "reminder", …) have taken."""
    if rows:
        STEPS.labels(kind, name).inc(rows)
        log.info(f"{kind} {name}", kind=kind, step=name, rows=rows, **facts)
        reached(f"{kind} {name}", **facts)


def note(name: str, facts: str = "'{}'::jsonb", row: str = "") -> str:
    """SQL for `history` with a step appended. `facts` is an SQL expression of type jsonb; `row` such as "delivery."."""
    return f"work_note({row}history, '{name}', {facts})"


def noted(name: str, **facts: Any) -> Func:
    """The ORM's form of `note`, for `update(history=noted("sent", seconds_late=3.1))`."""
    return Func(F("history"), Value(name), Value(facts, JSONField()), function="work_note", output_field=JSONField())


def clock() -> Func:
    """PostgreSQL's clock, read when the row is written. A host's clock decides nothing."""
    return Func(function="clock_timestamp", output_field=DateTimeField())


def in_(delay: timedelta) -> CombinedExpression:
    """The moment that is `delay` after PostgreSQL's now."""
    return CombinedExpression(clock(), "+", Value(delay, DurationField()), output_field=DateTimeField())
