"""Figures as a table shows them."""

from collections.abc import Sequence
from statistics import median

Rows = list[tuple[str, ...]]
"""The head, and the rows under it."""


def table(rows: Rows) -> str:
    """As Markdown."""
    head, *body = rows
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *body))


def spread(numbers: Sequence[float], form: str = ".2f") -> str:
    """Median, least and most of several runs."""
    return f"{median(numbers):{form}} ({min(numbers):{form}}-{max(numbers):{form}})"


def quantile(numbers: Sequence[float], share: float) -> float:
    ordered = sorted(numbers)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")
