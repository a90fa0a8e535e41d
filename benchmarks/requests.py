"""How many requests a second one web process answers, as its settings are by default: a gunicorn with four threads.

wrk asks, on one thread and eight connections. Two limits stand beside the figures: what the same process makes of
requests that ask for nothing, and how often one connection can be asked for a page of tasks and nothing be made of it.
"""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.figures import Rows, spread
from benchmarks.service import Service
from tests.needs import of_program, program

WRK = of_program("wrk", "wrk")
CONNECTIONS = 8
TASKS, PAGE = 5_000, 50

NEW_KEY = """
from django.contrib.auth.models import User
from accounts.services import create_token
print(create_token(User.objects.get(pk={owner}))[1])
"""
TASKS_WITH_DUE_DATES = """
    INSERT INTO taskapp_task (owner_id, title, description, due_at, timezone)
    SELECT %s, 'Task ' || n, 'What there is to do, in a sentence or two, as people write it.',
           now() + n * interval '1 hour', 'Europe/Berlin'
    FROM generate_series(1, %s) AS n
"""
TAGS = "INSERT INTO taskapp_tag (owner_id, name) SELECT %s, name FROM unnest(ARRAY['home', 'garden', 'work']) AS name"
TWO_TAGS_EACH = """
    INSERT INTO taskapp_task_tags (task_id, tag_id)
    SELECT task.id, tag.id FROM taskapp_task AS task JOIN taskapp_tag AS tag USING (owner_id)
    WHERE tag.name = 'home' OR tag.name = CASE task.id % 2 WHEN 0 THEN 'garden' ELSE 'work' END
"""
BARE_PAGE = f"""
    SELECT task.*, ARRAY(SELECT name FROM taskapp_tag AS tag JOIN taskapp_task_tags AS filed ON filed.tag_id = tag.id
                         WHERE filed.task_id = task.id)
    FROM taskapp_task AS task WHERE owner_id = %s AND deleted_at IS NULL ORDER BY id DESC LIMIT {PAGE}
"""

SCRIPT = """
local number = {first}
request = function()
    number = number + 1
    return wrk.format("{method}", string.gsub("{path}", "NUMBER", number), {{
        ["Authorization"] = "Bearer {token}", ["Content-Type"] = "application/json",
    }}, {body})
end
done = function(summary, latency)
    local errors = summary.errors
    print(string.format("found %d %d %d %d %d", summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""
NEW_TASK = (
    '{"title": "Water the garden", "due_at": "2030-05-01T08:00:00+02:00", "timezone": "Europe/Berlin", '
    '"tags": ["home", "garden"]}'
)


@dataclass(frozen=True)
class Kind:
    """One kind of request. NUMBER in the path is another task's each time."""

    name: str
    method: str
    path: str
    body: str = ""
    aim: str = ""


KINDS = [
    Kind(f"list of {PAGE} of {TASKS:,} tasks", "GET", "/api/v1/tasks/", aim="350"),
    Kind("retrieve", "GET", "/api/v1/tasks/NUMBER/"),
    Kind("complete", "POST", "/api/v1/tasks/NUMBER/complete/"),
    Kind("create, with two tags", "POST", "/api/v1/tasks/", NEW_TASK, aim="200"),
]
NOTHING = Kind("nothing: `/healthz`", "GET", "/healthz")


def play(directory: Path, template: Path, *, is_quick: bool) -> Rows:
    runs, seconds = (1, 2) if is_quick else (3, 4)
    directory /= "service"
    with Service(directory, template=template) as service:
        owner = fill(service)
        token = service.manage("shell", "-v0", stdin=NEW_KEY.format(owner=owner)).strip()
        service.start("web")
        rows = [measured(service, kind, token, runs, seconds) for kind in [NOTHING, *KINDS]]
        pages = [pages_a_second(service, owner, seconds) for _ in range(runs)]
        bare = ("one page by bare SQL, on one connection", spread(pages, ".0f"), "", "", "", "1", "")
    head = ("One web process", "requests/s", "p50, ms", "p99, ms", "CPU of web, ms", "statements", "aim, requests/s")
    return [head, *rows, bare]


def fill(service: Service) -> int:
    """One owner with tasks, of which the first has the number 1; return who it is."""
    (owner,) = service.add_users(1)
    service.sql(TASKS_WITH_DUE_DATES, (owner, TASKS))
    service.sql(TAGS, (owner,))
    service.sql(TWO_TAGS_EACH)
    service.sql("VACUUM ANALYZE")
    ((first, last),) = service.sql("SELECT min(id), max(id) FROM taskapp_task")
    assert (first, last) == (1, TASKS)
    return owner


def measured(service: Service, kind: Kind, token: str, runs: int, seconds: int) -> tuple[str, ...]:
    asked(service, kind, token)  # the port is open before the code is loaded
    wrk(service, kind, token, seconds=1, first=0)  # every thread has a connection, and what is made once is made
    found = [wrk(service, kind, token, seconds=seconds, first=TASKS // runs * run) for run in range(runs)]
    rates, halves, nearly_all, cpu = zip(*found, strict=True)
    return (
        kind.name, spread(rates, ".0f"), spread(halves, ".1f"), spread(nearly_all, ".1f"), spread(cpu, ".1f"),
        str(statements(service, kind, token)), kind.aim,
    )  # fmt: skip


def wrk(service: Service, kind: Kind, token: str, *, seconds: int, first: int) -> tuple[float, float, float, float]:
    """Requests a second; how many milliseconds half of them and 99 % of them took at most; and how many of the web
    process's time each took. None may fail."""
    script = service.directory / "wrk.lua"
    body = f"[[{kind.body}]]" if kind.body else "nil"
    script.write_text(SCRIPT.format(method=kind.method, path=kind.path, body=body, token=token, first=first))
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", script]
    before = service.cpu_seconds("web")
    said = subprocess.run([program("wrk"), *options, service.url], capture_output=True, text=True, check=True).stdout
    cpu = service.cpu_seconds("web") - before
    figures = re.search(r"^found (\d+) (\d+) (\d+) (\d+) (\d+)$", said, re.MULTILINE)
    assert figures, said
    count, took, half, nearly_all, errors = map(int, figures.groups())
    assert count, said
    assert not errors, said
    return count / took * 1e6, half / 1000, nearly_all / 1000, cpu / count * 1000


def statements(service: Service, kind: Kind, token: str) -> int:
    """What a request asks of PostgreSQL, by its log. The least of a few: a token's use is noted once a minute."""
    counts = []
    with every_statement_logged(service):
        for _ in range(5):
            before = statements_in(service.log("postgres"))
            asked(service, kind, token)
            counts.append(statements_in(service.log("postgres")) - before)
    return min(counts)


def asked(service: Service, kind: Kind, token: str) -> None:
    client = HTTPConnection("127.0.0.1", service.port, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    client.request(kind.method, kind.path.replace("NUMBER", str(TASKS)), kind.body or None, headers)
    assert client.getresponse().status < 300, kind.name
    client.close()


@contextmanager
def every_statement_logged(service: Service) -> Iterator[None]:
    """By a reload, for the role of the service may not set it."""
    file = service.directory / "data" / "postgres" / "data" / "postgresql.auto.conf"
    text = file.read_text()
    try:
        configure(service, file, f"{text}\nlog_statement = 'all'\n")
        yield
    finally:
        configure(service, file, text)


def configure(service: Service, file: Path, text: str) -> None:
    """And wait until it is so in a session of ours; one that is idle hears of it as soon."""
    file.write_text(text)
    service.processes["postgres"].send_signal(signal.SIGHUP)
    wanted = "all" if "log_statement" in text else "none"
    assert service.until(lambda: service.sql("SHOW log_statement") == [(wanted,)], within=10)


def statements_in(log: str) -> int:
    return len(re.findall(r"LOG:  (?:statement|execute [^:]*): ", log))


def pages_a_second(service: Service, owner: int, seconds: int) -> float:
    """A prepared statement, whose rows are fetched; nothing is made of them."""
    count, began = 0, time.perf_counter()
    with service.connect() as connection:
        while (took := time.perf_counter() - began) < seconds:
            assert len(connection.execute(BARE_PAGE, (owner,)).fetchall()) == PAGE
            count += 1
    return count / took
