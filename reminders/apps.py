from importlib import import_module

from django.apps import AppConfig


class RemindersConfig(AppConfig):
    name = "reminders"

    def ready(self) -> None:
        """Connect what happens when a user is deleted; it needs the models, which are there only now."""
        import_module("reminders.signals")
