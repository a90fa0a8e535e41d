import structlog
from django.apps import AppConfig

from config import time_zones
from config.env import is_service_process
from launcher.version import __version__


class ConfigConfig(AppConfig):
    """An app, so that its commands, checks and templates are found."""

    name = "config"

    def ready(self) -> None:
        """The first line of a process's log: what it is."""
        if is_service_process():
            structlog.get_logger("config").info("starting", version=__version__, time_zones=time_zones.version())
