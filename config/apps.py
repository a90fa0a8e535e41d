from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """An app, so that its commands, checks and templates are found."""

    name = "config"
