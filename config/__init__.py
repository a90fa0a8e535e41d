"""How the service is put together: settings, Celery, URLs, errors, health, metrics."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
