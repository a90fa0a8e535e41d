"""The whole URL map."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.utils import timezone
from drf_spectacular.views import SpectacularSwaggerView
from rest_framework.routers import DefaultRouter

from accounts.api import MeView, TokenViewSet
from attachments.api import AttachmentViewSet, TaskAttachmentViewSet
from config import health, time_zones
from config.errors import bad_request, not_found, permission_denied, server_error
from config.home import home
from config.metrics import metrics
from config.schema_view import SchemaView
from launcher.version import __version__
from reminders.api import DeliveryViewSet, ReminderViewSet
from reminders.outbox import outbox, outbox_message
from reminders.pages import task_page
from schedules.api import JobViewSet, RunViewSet, ScheduleViewSet
from taskapp.api import TagViewSet, TaskViewSet

api = DefaultRouter()
api.register("tasks", TaskViewSet, basename="task")
api.register("tasks/(?P<id>[0-9]+)/attachments", TaskAttachmentViewSet, basename="task-attachment")
api.register("attachments", AttachmentViewSet, basename="attachment")
api.register("tags", TagViewSet, basename="tag")
api.register("reminders", ReminderViewSet, basename="reminder")
api.register("deliveries", DeliveryViewSet, basename="delivery")
api.register("schedules", ScheduleViewSet, basename="schedule")
api.register("schedules/(?P<id>[0-9]+)/runs", RunViewSet, basename="schedule-run")
api.register("jobs", JobViewSet, basename="job")
api.register("tokens", TokenViewSet, basename="token")

urlpatterns = [
    path("", home, name="home"),
    path("tasks/<int:pk>/", task_page, name="task-page"),
    path("outbox/", outbox, name="outbox"),
    path("outbox/<str:name>", outbox_message, name="outbox-message"),
    path("", include("accounts.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api.urls)),
    path("api/v1/me/", MeView.as_view(), name="me"),
    path("api/v1/schema/", SchemaView.as_view(), name="schema"),
    path("api/v1/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("healthz", health.healthz),
    path("healthz/reminders", health.healthz_reminders, name="healthz-reminders"),
    path("readyz", health.readyz),
    path("metrics", metrics, name="metrics"),
]

handler400, handler403, handler404, handler500 = (
    f"config.errors.{view.__name__}" for view in (bad_request, permission_denied, not_found, server_error)
)

admin.site.site_header = admin.site.site_title = "Taskapp"
admin.site.site_footer = lambda: (  # type: ignore[attr-defined]
    f"Taskapp {__version__}, {time_zones.in_words(timezone.now().date())}"
)
admin.site.site_url = settings.PUBLIC_URL + "/"
