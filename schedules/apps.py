from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    name = "schedules"

    def ready(self) -> None:
        from schedules import taking  # noqa: F401, PLC0415 (connects to Celery's signals, and needs the models)
