"""Every setting, read from the environment by config/env.py. docs/configuration.md describes each variable."""

import logging
import sys
from datetime import timedelta
from pathlib import Path
from zoneinfo import available_timezones

from kombu import Exchange, Queue

from config import env as environment
from config.logs import configure_logging
from config.postgresql.hosts import CONNECT_SECONDS
from config.time_zones import host_lacks
from languages.offered import ENGLISH, offered_languages
from launcher import servers
from launcher.errors import LauncherError
from work.recycling import UnlessBusy

BASE_DIR = Path(__file__).resolve().parent.parent
env = environment.read(BASE_DIR)

# --- What the environment says -------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
HOST = env.str("HOST", "127.0.0.1")
PORT = env.int("PORT", 8000, validate=environment.port)
DATA_DIR = BASE_DIR / env.str("DATA_DIR", ".data")
DATABASE_URL = env.str("DATABASE_URL", "")
REDIS_URL = env.str("REDIS_URL", "")
EMAIL_URL = env.str("EMAIL_URL", "")
EMAIL_FROM = env.str("EMAIL_FROM", "Taskapp <reminders@localhost>")
PUBLIC_URL = env.str("PUBLIC_URL", "")
TIME_ZONE = env.str("TIME_ZONE", "UTC", validate=environment.one_of(available_timezones(), "an IANA time zone"))
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", [])
SECRET_KEY = env.str("SECRET_KEY", "")
LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=environment.one_of(environment.LOG_LEVELS, "a log level"))
LOG_FORMAT = env.str("LOG_FORMAT", "", validate=environment.one_of({"", "json", "console"}, "json or console"))
WEB_PROXIES = env.int("WEB_PROXIES", 0, validate=environment.at_least_zero)

REMINDER_CHECK_INTERVAL_MINUTES = env.int("REMINDER_CHECK_INTERVAL_MINUTES", 1, validate=environment.at_least_one)
REMINDER_WINDOW_HOURS = env.int("REMINDER_WINDOW_HOURS", 24, validate=environment.at_least_one)
EMAIL_EHLO_NAME = env.str("EMAIL_EHLO_NAME", "", validate=environment.ehlo_name)
EMAIL_CONNECTIONS = env.int("EMAIL_CONNECTIONS", 20, validate=environment.at_least_one)
EMAIL_CONNECT_SECONDS = env.int("EMAIL_CONNECT_SECONDS", 10, validate=environment.at_least_one)
EMAIL_COMMAND_SECONDS = env.int("EMAIL_COMMAND_SECONDS", 300, validate=environment.at_least_one)
EMAIL_DATA_SECONDS = env.int("EMAIL_DATA_SECONDS", 120, validate=environment.at_least_one)
EMAIL_ANSWER_SECONDS = env.int("EMAIL_ANSWER_SECONDS", 600, validate=environment.at_least_one)
DELIVERY_MAX_ATTEMPTS = env.int("DELIVERY_MAX_ATTEMPTS", 10, validate=environment.at_least_one)
DELIVERY_BACKOFF_SECONDS = env.int("DELIVERY_BACKOFF_SECONDS", 5, validate=environment.at_least_one)
DELIVERY_BACKOFF_MAX_SECONDS = env.int("DELIVERY_BACKOFF_MAX_SECONDS", 3600, validate=environment.at_least_one)
DELIVERY_LEASE_SECONDS = env.int("DELIVERY_LEASE_SECONDS", 30, validate=environment.lease_of_a_job)
DELIVERY_REPEAT_SECONDS = env.str("DELIVERY_REPEAT_SECONDS", "60,600,3600,14400,43200", validate=environment.spans)
DELIVERY_BATCH_SIZE = env.int("DELIVERY_BATCH_SIZE", 50, validate=environment.at_least_one)
HEALTH_LATE_SECONDS = env.int("HEALTH_LATE_SECONDS", 120, validate=environment.at_least_ten)
HISTORY_DAYS = env.int("HISTORY_DAYS", 90, validate=environment.at_least_one)
TOMBSTONE_DAYS = env.int("TOMBSTONE_DAYS", 30, validate=environment.at_least_one)
RESULT_DAYS = env.int("RESULT_DAYS", 7, validate=environment.at_least_one)
RUN_DAYS = env.int("RUN_DAYS", 30, validate=environment.at_least_one)
DISK_RESERVE_MB = env.int("DISK_RESERVE_MB", 100, validate=environment.at_least_zero)
ATTACHMENT_MAX_MB = env.int("ATTACHMENT_MAX_MB", 10, validate=environment.at_least_one)
ATTACHMENT_QUOTA_MB = env.int("ATTACHMENT_QUOTA_MB", 1000, validate=environment.at_least_one)
ATTACHMENTS_PER_TASK = env.int("ATTACHMENTS_PER_TASK", 20, validate=environment.at_least_one)
ATTACHMENT_LEASE_SECONDS = env.int("ATTACHMENT_LEASE_SECONDS", 60, validate=environment.lease_of_a_job)
ATTACHMENT_MAX_ATTEMPTS = env.int("ATTACHMENT_MAX_ATTEMPTS", 10, validate=environment.at_least_one)
ATTACHMENT_STORAGE_URL = env.str("ATTACHMENT_STORAGE_URL", "")
CLAMD_URL = env.str("CLAMD_URL", "")
SCAN_POLICY = env.str("SCAN_POLICY", "required", validate=environment.one_of({"required", "off"}, "required or off"))
WEB_THREADS = env.int("WEB_THREADS", 4, validate=environment.at_least_one)
WEB_CONNECTIONS = env.int("WEB_CONNECTIONS", 1000, validate=environment.at_least_ten)
WEB_HEAD_SECONDS = env.int("WEB_HEAD_SECONDS", 20, validate=environment.at_least_one)
WEB_BODY_SECONDS = env.int("WEB_BODY_SECONDS", 30, validate=environment.at_least_one)
WEB_BODY_BYTES_PER_SECOND = env.int("WEB_BODY_BYTES_PER_SECOND", 50_000, validate=environment.at_least_one)
WEB_STALL_SECONDS = env.int("WEB_STALL_SECONDS", 60, validate=environment.at_least_one)
WORKER_STOP_SECONDS = env.int("WORKER_STOP_SECONDS", 15, validate=environment.at_least_one)
WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", 2, validate=environment.at_least_one)
DATABASE_PREPARED_STATEMENTS = env.bool("DATABASE_PREPARED_STATEMENTS", True)
CELERY_BEAT_SCHEDULER = env.str(
    "CELERY_BEAT_SCHEDULER",
    "schedules.scheduler:LedgerScheduler",
    validate=environment.one_of(environment.SCHEDULERS, "one of " + " and ".join(sorted(environment.SCHEDULERS))),
)
environment.seal(env)

# --- Checked together, and completed -------------------------------------------------------------------------

PUBLIC_URL = environment.public_url(PUBLIC_URL or f"http://127.0.0.1:{PORT}")
environment.write_test_message(environment.sender(EMAIL_FROM), PUBLIC_URL)
if host_lacks(TIME_ZONE):
    environment.refuse(
        f"TIME_ZONE: this machine's own zones lack {TIME_ZONE}, and Django looks there; write the zone's present name, "
        "or install the Debian package tzdata-legacy."
    )
MAIL_SERVER = environment.mail_server(EMAIL_URL) if EMAIL_URL else None
# Another message is begun on another connection when one has taken so long.
DELIVERY_SLOW_SECONDS = 0.1
DELIVERY_SLOW_PER_DOMAIN = 5
OUTBOX_DIR = DATA_DIR / "outbox"
CLAMD = environment.virus_scanner(CLAMD_URL) if CLAMD_URL else None
ATTACHMENT_MAX_BYTES = ATTACHMENT_MAX_MB * 2**20
ATTACHMENT_QUOTA_BYTES = ATTACHMENT_QUOTA_MB * 2**20
DISK_RESERVE_BYTES = DISK_RESERVE_MB * 2**20
UPLOAD_DIR = DATA_DIR / "uploads"

if "*" in ALLOWED_HOSTS and not DEBUG:
    environment.refuse("ALLOWED_HOSTS=* would let anybody choose the host in links; name the hosts, comma-separated.")
ALLOWED_HOSTS = environment.allowed_hosts(ALLOWED_HOSTS, PUBLIC_URL)

SECRET_KEY = SECRET_KEY or environment.kept_secret_key(DATA_DIR, may_make=not DATABASE_URL)

if not (DATABASE_URL and REDIS_URL):
    try:
        embedded = servers.attach(DATA_DIR, database=not DATABASE_URL, broker=not REDIS_URL)
    except LauncherError as error:
        environment.refuse(str(error))
    DATABASE_URL = DATABASE_URL or str(embedded.database)
    REDIS_URL = REDIS_URL or str(embedded.broker)

# --- Django --------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config",  # first: its templates come before those of the libraries
    "accounts.apps.AdminSiteConfig",  # Django's admin, with the limit on attempts to sign in
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_celery_results",
    "django_structlog",
    "edges",
    "work",
    "accounts",
    "taskapp",
    "attachments",
    "reminders",
    "schedules",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.request_log.RequestLogMiddleware",
    "config.language.LanguageMiddleware",
    "config.limits.LimitsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.limits.SafeRedirectMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.language.PersonsLanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": environment.database(DATABASE_URL)}
# Kept between requests and checked before use (config/postgresql/base.py). Jobs get a new session each: Celery closes
# it around every job.
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": CONNECT_SECONDS,  # for all hosts together
    # A database that went away without a word is noticed in 10 s instead of hours. Idle sessions no later than one that
    # asked something: else each that is asked next would take as long again.
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": environment.process_name(),
    "prepare_threshold": 5 if DATABASE_PREPARED_STATEMENTS else None,  # for work/prepared.py; Django itself uses none
    # A frozen process must not hold its locks for longer than the others wait for them.
    "options": "-c idle_in_transaction_session_timeout=10s -c lock_timeout=20s",
    **DATABASES["default"]["OPTIONS"],
}

LANGUAGE_CODE = ENGLISH
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGES = offered_languages(LOCALE_PATHS[0])
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
# An image has its files collected and hashed; a checkout serves them from where they lie.
_COLLECTED = BASE_DIR / "staticfiles"
_IS_COLLECTED = (_COLLECTED / "staticfiles.json").exists()
STATIC_ROOT = _COLLECTED if _IS_COLLECTED or "collectstatic" in sys.argv else None
WHITENOISE_USE_FINDERS = not _IS_COLLECTED
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "attachments": environment.attachment_storage(ATTACHMENT_STORAGE_URL, DATA_DIR / "attachments"),
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
PASSWORD_HASHERS = [
    "accounts.hashers.SmallArgon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# Password resets go the way of the reminders: to the mail server, or to the outbox when there is none.
DEFAULT_FROM_EMAIL = SERVER_EMAIL = EMAIL_FROM
if MAIL_SERVER:
    EMAIL_BACKEND = "mail.backend.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = MAIL_SERVER["host"], MAIL_SERVER["port"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL_SERVER["user"], MAIL_SERVER["password"]
    EMAIL_USE_TLS = MAIL_SERVER["security"] == "starttls"
    EMAIL_USE_SSL = MAIL_SERVER["security"] == "tls"
    EMAIL_TIMEOUT = 10
else:
    EMAIL_BACKEND = "reminders.channels.outbox.OutboxEmailBackend"

# --- Security: decided by the address under which people come ---------------------------------------------------

_HTTPS = PUBLIC_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SECURE_SSL_REDIRECT = _HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz", r"^readyz$", r"^metrics$"]  # probes speak plain HTTP to the container
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
MAX_BODY_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # Django's own answer to more is 400, and says nothing
MAX_UPLOAD_BYTES = ATTACHMENT_MAX_BYTES + 64 * 1024  # the file, and what a form has around it
FILE_UPLOAD_HANDLERS = ["attachments.receiving.ReceivingHandler"]

# --- API -----------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    # Bearer first: it decides that a stranger gets 401 with a challenge, not 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["config.problems.StrictJSONParser"],
    "DEFAULT_FILTER_BACKENDS": [
        "config.filters.StrictFilterBackend",
        "rest_framework.filters.SearchFilter",
        "config.filters.StrictOrderingFilter",
    ],
    "DEFAULT_PAGINATION_CLASS": "config.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "config.openapi.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "config.problems.problem_response",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Taskapp",
    "DESCRIPTION": "Tasks and dependable reminders.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    # The pages are served from here, not from a CDN.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "TaskStatus": "taskapp.models.Task.Status",
        "ReminderStatus": "reminders.models.Reminder.Status",
        "DeliveryStatus": "reminders.models.Delivery.Status",
        "RunStatus": "schedules.models.RunStatus",
        "RunKind": "schedules.models.RunKind",
        "AttachmentState": "attachments.models.Attachment.State",
        "StageStatus": "attachments.models.Stage.Status",
        "ScanVerdict": "attachments.models.Scan.Verdict",
        "ThumbnailSize": "attachments.models.Thumbnail.Size",
    },
}

# --- Celery: Redis carries bells, PostgreSQL the work ------------------------------------------------------------

CELERY_BROKER_URL = environment.broker(REDIS_URL)
CELERY_RESULT_BACKEND = "django-db"
CELERY_CACHE_BACKEND = "default"
CELERY_RESULT_EXTENDED = True  # else a result has no job name
# No expiry in Celery: with one, beat rewrites an administrator's edit of the clean-up at each start. Ours is a
# schedule of its own.
CELERY_RESULT_EXPIRES = None
CELERY_TIMEZONE = TIME_ZONE
CELERY_ENABLE_UTC = True
CELERY_TASK_DEFAULT_QUEUE = "celery"
# Sending has a queue of its own, so that a sweep does not wait behind it, and so have files; a worker without -Q takes
# from all in turn.
QUEUES = ["celery", "deliver", "files"]
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in QUEUES]
CELERY_TASK_ROUTES = {
    "reminders.deliver": {"queue": "deliver", "routing_key": "deliver"},
    "attachments.process": {"queue": "files", "routing_key": "files"},
}
# A message says only "there is work", so losing one costs lateness, and a worker that holds an unacknowledged
# message when the broker goes away exits or goes deaf (kombu 5.7). Acknowledge early, fetch nothing ahead.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = WORKER_CONCURRENCY
CELERY_WORKER_MAX_MEMORY_PER_CHILD = UnlessBusy(400_000)  # KB; a leak in a library stays bounded
CELERY_TASK_SOFT_TIME_LIMIT = 100
CELERY_TASK_TIME_LIMIT = 120
# For SIGQUIT only: it waits this long, then cancels what runs. A stop by SIGTERM cancels nothing (work/stopping.py).
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = True  # Flower shows nothing without them; nobody listening costs nothing
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # the default gives up after some 46 minutes
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 2,
    "socket_timeout": 30,
    "socket_keepalive": True,  # kombu turns it off otherwise
    "health_check_interval": 10,  # a half-open connection is dropped after some 11 s, not 26
    "max_retries": 0,  # whoever publishes tries once to connect, not for 6 to 10 s; a worker tries for ever anyway
    "checked_queues": QUEUES,  # a worker waits until Redis takes writes (work/broker.py)
}
# Publishing fails fast: the row is there, and the next tick rings again.
CELERY_TASK_PUBLISH_RETRY = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
CELERY_BEAT_SYNC_EVERY = 1  # for the stock scheduler: a killed beat repeats fewer runs
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
SCHEDULE_WAKE_SOURCES = {
    "due-soon-reminders": "reminders.wake.is_tick_wanted",
    "prune-reminders": "reminders.pruning.is_more_wanted",
    "process-attachments": "attachments.wake.is_tick_wanted",
}
SCHEDULE_WAKE_INTERVAL_SECONDS = 0.5

# --- Logs and metrics ------------------------------------------------------------------------------------------

# One directory for each host name: containers that share DATA_DIR have the same process ids.
METRICS_DIR = DATA_DIR / "metrics"
if environment.is_service_process():
    environment.count_in_files(METRICS_DIR)

DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG  # config/logs.py leaves the line out, so none is made
LOGGING = configure_logging(level=LOG_LEVEL, style=LOG_FORMAT)
