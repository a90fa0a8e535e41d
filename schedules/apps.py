from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    name = "schedules"

    def ready(self) -> None:
        from django_celery_beat.models import CrontabSchedule  # noqa: PLC0415 (a model)

        from schedules import taking  # noqa: F401, PLC0415 (connects to Celery's signals, and needs the models)
        from schedules.zones import let_unknown_zones_load  # noqa: PLC0415

        let_unknown_zones_load(CrontabSchedule._meta.get_field("timezone"))
