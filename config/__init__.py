"""How the service is put together: settings, Celery, URLs, errors, health, metrics."""

from config.time_zones import use_packaged_rules

use_packaged_rules()  # before anything reads a zone

from config.celery import app as celery_app  # noqa: E402 (Celery reads zones)

__all__ = ["celery_app"]
