"""The Celery application. Its settings are the CELERY_ ones in config/settings.py, each with its reason."""

import os

from celery import Celery
from celery.signals import setup_logging
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# By the schemes of REDIS_URL: the setting broker_transport would take the TLS from rediss://.
TRANSPORT_ALIASES.update(dict.fromkeys(["redis", "rediss"], "work.broker:Transport"))

app = Celery("config", task_cls="schedules.jobs:Job")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# By name, for Django is not set up yet.
app.steps["worker"].update(["work.stopping:Listen", "work.watchdog:Watchdog", "schedules.taking:Keep"])


@setup_logging.connect
def keep_djangos_logging(**kwargs: object) -> None:
    """A receiver here stops Celery from replacing the log configuration that Django has set up."""
