"""One line per event, with ids: JSON for machines, colour for a terminal. Everything goes to standard error."""

import logging
import sys
from typing import Any

import structlog

QUIET_PATHS = ("GET /healthz", "GET /readyz", "GET /metrics")


class OneLineEach(logging.Filter):
    """A request is one line, when it is over; probes are none."""

    def filter(self, record: logging.LogRecord) -> bool:
        event = record.msg if isinstance(record.msg, dict) else {}
        if event.get("event") == "request_started":
            return False
        return not (event.get("code") == 200 and str(event.get("request", "")).startswith(QUIET_PATHS))


def configure_logging(*, level: str, style: str) -> dict[str, Any]:
    """Set up structlog, and return Django's LOGGING for it.

    style is "json", "console", or "" for whichever suits standard error.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    console = style == "console" or (not style and sys.stderr.isatty())
    rendering: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
            },
        },
        "filters": {"one_line_each": {"()": OneLineEach}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["one_line_each"]}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Celery's own lines on each job say what ours say with ids.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "django.server": {"handlers": ["stderr"], "propagate": False},
        },
    }
