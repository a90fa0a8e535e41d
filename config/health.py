"""Is it alive, is it ready, and does it keep its promise? Each app says how it does; this only lists and asks."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread, current_thread

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db import Error as AnyDatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from psycopg import Error as PsycopgError
from redis.exceptions import RedisError, ResponseError

from config import probes, time_zones
from config.postgresql.hosts import patience as connect_seconds
from launcher.version import __version__
from reminders import health as reminders_health
from schedules import health as schedules_health
from work.broker import check_writes, client, refusal

BROKER_TIMEOUT_SECONDS = 1.0
DATABASE_TIMEOUT_SECONDS = 3.0
"""Or half a second more than connecting may take, if that is longer."""


@dataclass(frozen=True)
class Check:
    """How one part does. `detail` is a sentence when it is not well, or when nobody can know."""

    name: str
    ok: bool
    detail: str


def database() -> str:
    """Whether PostgreSQL answers, and can write."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    probes.database_writes()
    return ""


def broker() -> str:
    """Whether Redis does within a second what a worker needs; nothing else in the web process talks to it."""
    with client(settings.CELERY_BROKER_URL, timeout=BROKER_TIMEOUT_SECONDS) as redis:
        try:
            check_writes(redis, settings.QUEUES)
        except ResponseError as error:
            return f"answers, and refuses what a worker needs ({refusal(error)})"
    return ""


def run_one(name: str, check: Callable[[], str]) -> Check:
    try:
        detail = check()
    except (AnyDatabaseError, RedisError, OSError) as error:
        detail = in_words(error)
    return Check(name=name, ok=not detail, detail=detail)


def in_words(error: Exception) -> str:
    """The kind alone: a driver's text may hold host names and is for the log."""
    cause = error.__cause__
    if isinstance(cause, PsycopgError) and cause.sqlstate:
        return f"cannot do what is asked ({type(cause).__name__}, {cause.sqlstate})"
    return f"does not answer ({type(error).__name__})"


def readiness() -> list[Check]:
    """Database and broker."""
    return [*ask_database(lambda: [run_one("database", database)]), run_one("broker", broker)]


def report() -> list[Check]:
    """Every part that the promise rests on. Each is judged while what it is heard of through is up: so who is to blame
    is named."""
    broker_check = run_one("broker", broker)
    first, *rest = ask_database(lambda: database_and_promise(broker_check))
    return [first, broker_check, *rest, run_one("disk", probes.disk), age_of_zone_rules()]


def age_of_zone_rules() -> Check:
    """A warning: reminders go out, but a due date may be an hour off where a government has changed its mind."""
    return Check("time zones", ok=True, detail=time_zones.warning(time_zones.version(), timezone.now().date()))


def database_and_promise(broker_check: Check) -> list[Check]:
    """Without a database nobody knows of the rest, and asking would take long. Whatever PostgreSQL cannot do for one of
    the checks is its own fault, and says nothing about the part that is asked about."""
    first = run_one("database", database)
    try:
        return [first, *(promise(broker_check) if first.ok else [])]
    except AnyDatabaseError as error:
        return [Check("database", ok=False, detail=in_words(error))]


def promise(broker_check: Check) -> list[Check]:
    checks = [broker_check]
    for name, check in reminders_health.CHECKS.items():
        down = [other.name for other in checks if not other.ok and other.name in reminders_health.NEEDS[name]]
        detail = f"unknown while {down[0]} is down" if down else check()
        checks.append(Check(name, ok=bool(down) or not detail, detail=detail))
    return [*checks[1:], untaken_runs()]


def untaken_runs() -> Check:
    """A warning: no reminder depends on it, and the queue may be that of workers that are not ours."""
    return Check("schedules", ok=True, detail=schedules_health.untaken())


_unanswered: Thread | None = None


def ask_database(question: Callable[[], list[Check]]) -> list[Check]:
    """What the database says; or that it says nothing, after a few seconds, and at once while that goes on.

    A query cannot be bounded from this side: a server that is frozen keeps it waiting for ever. So a thread asks, on
    the connection of the request, which is left to it when it is late.
    """
    global _unanswered
    silent = [Check("database", ok=False, detail="does not answer")]
    if _unanswered is not None and _unanswered.is_alive():
        return silent
    answer: list[Check] = []
    ours = connections[DEFAULT_DB_ALIAS]
    connecting = connect_seconds(ours.settings_dict["OPTIONS"])

    def ask() -> None:
        connections[DEFAULT_DB_ALIAS] = ours
        answer.extend(question())
        if _unanswered is current_thread():
            ours.close()

    ours.inc_thread_sharing()
    thread = Thread(target=ask, name="health", daemon=True)
    thread.start()
    thread.join(max(DATABASE_TIMEOUT_SECONDS, connecting + 0.5))
    if thread.is_alive():
        _unanswered = thread
        del connections[DEFAULT_DB_ALIAS]
        return silent
    ours.dec_thread_sharing()
    return answer


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: this process answers, and says which version it is and by which rules it reckons. Touches nothing."""
    return HttpResponse(
        f"ok\nTaskapp {__version__}\n{time_zones.in_words(timezone.now().date())}\n", content_type="text/plain"
    )


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Ready for requests: database and broker answer."""
    return answer(readiness())


@never_cache
def healthz_reminders(request: HttpRequest) -> HttpResponse:
    """Does it keep its promise? 503 names the part that is down."""
    return answer(report())


def answer(checks: list[Check]) -> JsonResponse:
    well = all(check.ok for check in checks)
    body = {
        "status": "ok" if well else "down",
        "down": [check.name for check in checks if not check.ok],
        "checks": {check.name: check.detail or "ok" for check in checks},
    }
    return JsonResponse(body, status=200 if well else 503)
