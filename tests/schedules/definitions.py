"""Schedules as beat reads them, made up."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schedules.definitions import Definition

JOB = "schedules.prune_runs"


def at(text: str) -> datetime:
    """at("2026-03-01 09:00") is that moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def crontab(minute: str = "*", hour: str = "*", zone: str = "UTC") -> dict[str, str]:
    return {
        "minute": minute, "hour": hour, "day_of_month": "*", "month_of_year": "*", "day_of_week": "*", "timezone": zone,
    }  # fmt: skip


DAILY = crontab("0", "9")


def interval(every: int, period: str = "seconds") -> dict[str, Any]:
    return {"every": every, "period": period}


def define(**fields: Any) -> Definition:
    """A schedule of a job that exists, enabled, with the default policy."""
    defaults: dict[str, Any] = {
        "id": 1, "name": "mine", "task": JOB, "args": "[]", "kwargs": "{}", "headers": "{}",
        "one_off": False, "enabled": True, "total_run_count": 0, "is_solar": False, "catch_up": "once",
        "catch_up_window": timedelta(days=7), "overlap": "coalesce", "runs_again": True,
    }  # fmt: skip
    return Definition(**dict.fromkeys(Definition.__dataclass_fields__) | defaults | fields)
