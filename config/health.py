"""Is it alive, is it ready, and does it keep its promise? Each app says how it does; this only lists and asks."""

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from reminders import health as reminders_health

BROKER_TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True)
class Check:
    """How one part does. `detail` is a sentence when it is not well, or when nobody can know."""

    name: str
    ok: bool
    detail: str


def database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def broker() -> str:
    """Whether Redis answers within a second; nothing else in the web process talks to it."""
    with Redis.from_url(
        settings.CELERY_BROKER_URL, socket_timeout=BROKER_TIMEOUT_SECONDS,
        socket_connect_timeout=BROKER_TIMEOUT_SECONDS, retry=Retry(NoBackoff(), 0),
    ) as redis:  # fmt: skip
        redis.ping()
    return ""


READINESS: dict[str, Callable[[], str]] = {"database": database, "broker": broker}


def run(checks: dict[str, Callable[[], str]]) -> list[Check]:
    return [run_one(name, check) for name, check in checks.items()]


def run_one(name: str, check: Callable[[], str]) -> Check:
    try:
        detail = check()
    except (AnyDatabaseError, RedisError, OSError) as error:
        # The kind alone: a driver's text may hold host names and is for the log.
        detail = f"does not answer ({type(error).__name__})"
    return Check(name=name, ok=not detail, detail=detail)


def report() -> list[Check]:
    """Every part that the promise rests on, each judged while what it is heard of through is up: the culprit is named.

    Without a database nobody knows of the rest, and asking would take long.
    """
    checks = run(READINESS)
    if not all(check.ok for check in checks if check.name == "database"):
        return checks
    for name, check in reminders_health.CHECKS.items():
        down = [other.name for other in checks if not other.ok and other.name in reminders_health.NEEDS[name]]
        checks.append(Check(name, ok=True, detail=f"unknown while {down[0]} is down") if down else run_one(name, check))
    return checks


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: this process answers. Touches nothing."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Ready for requests: database and broker answer."""
    return answer(run(READINESS))


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
